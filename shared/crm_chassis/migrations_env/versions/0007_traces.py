"""Where an event is: what caused it, and when the broker confirmed it."""

import sqlalchemy as sa
from alembic import op

from crm_chassis import expanding

revision = "chassis_0007"
down_revision = "chassis_0006"
branch_labels = None
depends_on = None

_CAUSED = "causation_id IS NOT NULL"
_PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event_log'::regclass"
)


def upgrade() -> None:
    on_sqlite = op.get_bind().dialect.name == "sqlite"  # where it is all one transaction
    op.add_column(
        "event_log", sa.Column("causation_id", sa.Uuid(as_uuid=False)), if_not_exists=not on_sqlite
    )
    op.create_table(
        "relay_batches",
        sa.Column("last_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("first_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_ids", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint(
            "last_id", "first_id", "confirmed_at", name=op.f("relay_batches_pkey")
        ),
        if_not_exists=True,
    )
    if on_sqlite:
        _index("event_log_causation", "event_log")
    else:
        _index_each_partition()


def _index_each_partition() -> None:
    """PostgreSQL cannot make the index of a whole partitioned table beside those who write."""
    partitions = op.get_bind().execute(sa.text(_PARTITIONS)).scalars().all()
    op.execute(
        "CREATE INDEX IF NOT EXISTS event_log_causation "
        f"ON ONLY event_log (causation_id) WHERE {_CAUSED}"
    )
    for name in partitions:
        _index(f"{name}_causation", name)
    for name in partitions:
        op.execute(f"ALTER INDEX event_log_causation ATTACH PARTITION {name}_causation")


def _index(name: str, table: str) -> None:
    caused = sa.text(_CAUSED)
    expanding.create_index(
        name, table, ["causation_id"], postgresql_where=caused, sqlite_where=caused
    )


def downgrade() -> None:
    op.drop_table("relay_batches")
    op.drop_index("event_log_causation", "event_log")
    op.drop_column("event_log", "causation_id")
