"""The tables that every service has."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "chassis_0001"
down_revision = None
branch_labels = ("chassis",)
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_ID = sa.Uuid(as_uuid=False)
_INSTANT = sa.DateTime(timezone=True)


def _column(name: str, kind: Any, *, null: bool = False, key: bool = False) -> sa.Column[Any]:
    return sa.Column(name, kind, nullable=null, primary_key=key)


def _indexes(table: str, **columns: Sequence[str]) -> None:
    for name, names in columns.items():
        op.create_index(f"{table}_{name}", table, list(names))


def upgrade() -> None:
    op.create_table(
        "event_log",
        _column("event_id", _ID, key=True),
        _column("recorded_at", _INSTANT, key=True),
        _column("type", sa.String(120)),
        _column("subject", sa.String(64)),
        _column("sequence", sa.Integer),
        _column("body", sa.LargeBinary),
        postgresql_partition_by="RANGE (recorded_at)",
    )
    _indexes("event_log", recorded_at=("recorded_at", "event_id"), subject=("subject",))
    op.create_table("outbox", _column("event_id", _ID, key=True), _column("recorded_at", _INSTANT))
    op.create_table(
        "inbox",
        _column("event_id", _ID, key=True),
        _column("received_at", _INSTANT),
        _column("body", sa.LargeBinary, null=True),
    )
    _indexes("inbox", received_at=("received_at", "event_id"))
    op.create_table(
        "parked_events",
        _column("id", _ID, key=True),
        _column("event_id", sa.String(64)),
        _column("type", sa.String(120)),
        _column("handler", sa.String(200)),
        _column("reason", sa.Text),
        _column("attempts", sa.Integer),
        _column("traceparent", sa.String(64), null=True),
        _column("body", sa.LargeBinary),
        _column("state", sa.String(10)),
        _column("parked_at", _INSTANT),
        _column("settled_at", _INSTANT, null=True),
        _column("settled_by", sa.String(64), null=True),
        _column("settled_because", sa.Text, null=True),
    )
    _indexes("parked_events", state=("state", "parked_at", "id"), event=("event_id",))
    op.create_table(
        "directory_teams",
        _column("id", _ID, key=True),
        _column("external_id", sa.String(200), null=True),
        _column("name", sa.String(200)),
        _column("parent_id", _ID, null=True),
        _column("sequence", sa.Integer),
    )
    _indexes("directory_teams", parent=("parent_id",), name=("name",))
    op.create_table(
        "directory_users",
        _column("id", _ID, key=True),
        _column("external_id", sa.String(200), null=True),
        _column("name", sa.String(200)),
        _column("team_id", _ID, null=True),
        _column("active", sa.Boolean),
        _column("sequence", sa.Integer),
    )
    _indexes("directory_users", team=("team_id",), name=("name",))
    op.create_table(
        "idempotency_keys",
        _column("key", sa.String(64), key=True),
        _column("fingerprint", sa.String(64)),
        _column("status", sa.Integer, null=True),
        _column("headers", _JSON, null=True),
        _column("body", sa.LargeBinary, null=True),
        _column("used_at", _INSTANT),
    )
    _indexes("idempotency_keys", used_at=("used_at",))
    _import_tables()


def _import_tables() -> None:
    counts = ("rows_total", "rows_done", "created", "changed", "unchanged", "failed")
    op.create_table(
        "import_jobs",
        _column("id", _ID, key=True),
        _column("resource", sa.String(60)),
        _column("filename", sa.String(255)),
        _column("mapping", _JSON),
        _column("dry_run", sa.Boolean),
        _column("principal", _JSON),
        _column("owner_id", sa.String(64)),
        _column("state", sa.String(10)),
        *(_column(name, sa.Integer) for name in counts),
        _column("detail", sa.Text, null=True),
        _column("started_at", _INSTANT),
    )
    _indexes("import_jobs", state=("state", "started_at"))
    op.create_table(
        "import_chunks",
        _column("job_id", _ID, key=True),
        _column("number", sa.Integer, key=True),
        _column("first_row", sa.Integer),
        _column("row_count", sa.Integer),
        _column("rows_done", sa.Integer),
        _column("rows", _JSON),
    )
    op.create_table(
        "import_errors",
        _column("id", _ID, key=True),
        _column("job_id", _ID),
        _column("row", sa.Integer),
        _column("column", sa.String(200), null=True),
        _column("field", sa.String(200)),
        _column("value", sa.Text, null=True),
        _column("detail", sa.Text),
    )
    _indexes("import_errors", job=("job_id", "row", "id"))


def downgrade() -> None:
    for table in (
        "import_errors",
        "import_chunks",
        "import_jobs",
        "idempotency_keys",
        "directory_users",
        "directory_teams",
        "parked_events",
        "inbox",
        "outbox",
        "event_log",
    ):
        op.drop_table(table)
