"""alembic over two lines of migrations in one database: the chassis's own and the service's."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData

from crm_chassis import outbox
from crm_chassis.database import Database, chassis_metadata

_SCRIPTS = Path(__file__).parent / "migrations_env"
CHASSIS_VERSIONS = _SCRIPTS / "versions"


class Migrations:
    """A service's database schema, by version.

    :param folder: the service's own migrations.
    :param metadata: the service's own tables.
    """

    def __init__(self, database: Database, folder: Path, metadata: MetaData) -> None:
        self._database = database
        self._folder = folder
        self._metadata = metadata
        self._branch = folder.parent.name.replace("-", "_")
        self._config = Config()
        self._config.set_main_option("script_location", str(_SCRIPTS))
        self._config.set_main_option("path_separator", "newline")
        self._config.set_main_option("version_locations", f"{CHASSIS_VERSIONS}\n{folder}")
        self._config.set_main_option("file_template", "%%(rev)s_%%(slug)s")

    def upgrade(self) -> None:
        """Bring the database to the newest version; a second one at the same time waits."""
        with self._database.engine.begin() as connection:
            if not self._database.is_sqlite:
                connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7240615)")
            self._config.attributes["connection"] = connection
            command.upgrade(self._config, "heads")
            outbox.keep_log(connection, days=36_500)

    def current(self) -> bool:
        """True when the database has every migration this code knows.

        It may have newer ones: during an upgrade the old version works on beside the new one.
        """
        wanted = ScriptDirectory.from_config(self._config).get_heads()
        with self._database.engine.connect() as connection:
            heads = MigrationContext.configure(connection).get_current_heads()
        applied = dict(_branch_and_number(head) for head in heads)
        return all(
            applied.get(branch, 0) >= number for branch, number in map(_branch_and_number, wanted)
        )

    def new(self, message: str) -> None:
        """Write a migration for what the service's models have and the database does not."""
        own = list(self._folder.glob("*.py"))
        number = f"{len(own) + 1:04d}"
        with self._database.engine.connect() as connection:
            self._config.attributes["connection"] = connection
            self._config.attributes["metadata"] = self._metadata
            self._config.attributes["include_name"] = _is_not_the_chassis
            command.revision(
                self._config,
                message,
                autogenerate=True,
                rev_id=f"{self._branch}_{number}",
                head=f"{self._branch}@head" if own else "base",
                version_path=str(self._folder),
                branch_label=None if own else self._branch,
            )


def _branch_and_number(revision: str) -> tuple[str, int]:
    """``sales_0002`` is the second migration of sales."""
    branch, number = revision.rsplit("_", 1)
    return branch, int(number)


def _is_not_the_chassis(name: str | None, kind: str, _parents: object) -> bool:
    table = name or ""
    partition = table.startswith("event_log_")
    return kind != "table" or not (partition or table in chassis_metadata.tables)
