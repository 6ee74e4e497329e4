"""Which event told of a return, so that it is forgotten with an event that is void."""

import sqlalchemy as sa
from alembic import op

revision = "customer_0007"
down_revision = "customer_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "replica_order_returns", sa.Column("event_id", sa.Uuid(as_uuid=False), nullable=True)
    )


def downgrade() -> None:
    op.drop_column("replica_order_returns", "event_id")
