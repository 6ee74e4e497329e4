"""The stages of pipelines as they are; how far a deal has come says in which stage that was."""

import sqlalchemy as sa
from alembic import op

revision = "reporting_0003"
down_revision = "reporting_0002"
branch_labels = None
depends_on = None

_JOBS = sa.table(
    "projection_jobs",
    sa.column("id", sa.Uuid(as_uuid=False)),
    sa.column("kind", sa.String),
    sa.column("state", sa.String),
    sa.column("requested_by", sa.String),
    sa.column("requested_at", sa.DateTime(timezone=True)),
)
_JOB_ID = "01a20000-0000-7000-8000-000000000003"


def upgrade() -> None:
    op.create_table(
        "pipelines",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("key", sa.String(length=64), nullable=True),
        sa.Column("stages", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    # The worker makes the projections anew of the archive, where there is one.
    rebuild = _JOBS.insert().from_select(
        ["id", "kind", "state", "requested_by", "requested_at"],
        sa.select(
            sa.literal(_JOB_ID, sa.Uuid(as_uuid=False)),
            sa.literal("rebuild"),
            sa.literal("queued"),
            sa.literal("reporting"),
            sa.func.current_timestamp(),
        ).where(sa.exists(sa.select(sa.text("1")).select_from(sa.table("opportunities")))),
    )
    op.execute(rebuild)


def downgrade() -> None:
    op.execute(_JOBS.delete().where(_JOBS.c.id == _JOB_ID))
    op.drop_table("pipelines")
