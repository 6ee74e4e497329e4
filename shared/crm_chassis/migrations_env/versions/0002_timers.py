"""The timers of the scheduler."""

import sqlalchemy as sa
from alembic import op

revision = "chassis_0002"
down_revision = "chassis_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "timers",
        sa.Column("kind", sa.String(60), primary_key=True),
        sa.Column("subject", sa.String(64), primary_key=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("failure", sa.Text, nullable=True),
    )
    op.create_index("timers_due_at", "timers", ["due_at"])


def downgrade() -> None:
    op.drop_table("timers")
