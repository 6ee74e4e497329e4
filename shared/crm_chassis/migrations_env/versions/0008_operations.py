"""What operators did, replays that the worker does, and the types of what a consumer has seen."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "chassis_0008"
down_revision = "chassis_0007"
branch_labels = None
depends_on = None

_Json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "administrative_acts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(64), nullable=False),
        sa.Column("act", sa.String(60), nullable=False),
        sa.Column("subject", sa.String(200), nullable=True),
        sa.Column("detail", _Json, nullable=False),
        sa.Column("correlation_id", sa.String(64), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("administrative_acts_pkey")),
    )
    op.create_index("administrative_acts_at", "administrative_acts", ["at", "id"])
    op.create_table(
        "event_replays",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("consumer", sa.String(60), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("types", _Json, nullable=False),
        sa.Column("subject", sa.String(64), nullable=True),
        sa.Column("per_second", sa.Integer(), nullable=True),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("published", sa.Integer(), nullable=False),
        sa.Column("cursor", sa.String(80), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.Column("requested_by", sa.String(64), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("event_replays_pkey")),
    )
    op.create_index("event_replays_state", "event_replays", ["state", "requested_at"])
    op.add_column("inbox", sa.Column("type", sa.String(120), nullable=True))


def downgrade() -> None:
    op.drop_column("inbox", "type")
    op.drop_table("event_replays")
    op.drop_table("administrative_acts")
