"""alembic over two lines of migrations in one database: the chassis's own and the service's."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import structlog
from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from psycopg.errors import LockNotAvailable
from sqlalchemy import Connection, MetaData
from sqlalchemy.exc import OperationalError

from crm_chassis import outbox
from crm_chassis.database import Database, chassis_metadata

log = structlog.get_logger(__name__)

_LOCK = 7240615
_POLL_SECONDS = 0.2
_LOCK_SECONDS = 2
_PAUSE_SECONDS = 1.0
_ATTEMPTS = 20
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
        """Bring the database to this version's schema; a newer one stays as it is.

        A second one at the same time waits. On PostgreSQL each migration is a transaction of its
        own, so that the old version waits for no more than one of them.

        :raises sqlalchemy.exc.OperationalError: a table was in use for longer than a minute.
        """
        if self._database.is_sqlite:
            with self._database.engine.begin() as connection:
                self._upgrade(connection)
            return
        with self._sole_migrator() as connection:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    self._upgrade(connection)
                    return
                except OperationalError as error:
                    if not isinstance(error.orig, LockNotAvailable) or attempt == _ATTEMPTS:
                        raise
                    log.warning("migrations.waiting", error=str(error.orig))
                    connection.rollback()
                    time.sleep(_PAUSE_SECONDS)

    def _upgrade(self, connection: Connection) -> None:
        # After a roll-back the schema is newer, and alembic does not know its migrations.
        if not self._is_current(connection):
            if not self._database.is_sqlite:
                connection.commit()
            self._config.attributes["connection"] = connection
            command.upgrade(self._config, "heads")
        outbox.keep_log(connection, days=36_500)
        if not self._database.is_sqlite:
            connection.commit()

    @contextmanager
    def _sole_migrator(self) -> Iterator[Connection]:
        """A connection that holds the migrators' lock, and does not wait long for any other.

        A change of a table that waits makes everybody wait who comes after it.
        """
        with self._database.engine.connect() as connection:
            # Asked again and again: one that waited in the database would keep a snapshot, for the
            # end of which CREATE INDEX CONCURRENTLY waits.
            while not connection.exec_driver_sql(f"SELECT pg_try_advisory_lock({_LOCK})").scalar():
                connection.commit()
                time.sleep(_POLL_SECONDS)
            connection.exec_driver_sql(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
            connection.commit()
            try:
                yield connection
            finally:
                connection.invalidate()  # the lock and the setting end with the connection

    def current(self) -> bool:
        """True when the database has every migration this code knows.

        It may have newer ones: during an upgrade the old version works on beside the new one.
        """
        with self._database.engine.connect() as connection:
            return self._is_current(connection)

    def _is_current(self, connection: Connection) -> bool:
        wanted = ScriptDirectory.from_config(self._config).get_heads()
        heads = MigrationContext.configure(connection).get_current_heads()
        applied = dict(_branch_and_number(head) for head in heads)
        return all(
            applied.get(branch, 0) >= number for branch, number in map(_branch_and_number, wanted)
        )

    def wait(self) -> None:
        """Return when the schema is current; a database that is away is waited for too."""
        while not self._found_current():
            time.sleep(_PAUSE_SECONDS)

    def _found_current(self) -> bool:
        try:
            return self.current()
        except OperationalError:
            return False

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
