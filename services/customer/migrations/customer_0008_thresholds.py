"""A version of the thresholds for duplicates, which now stand for each kind from the first."""

import sqlalchemy as sa
from alembic import op

revision = "customer_0008"
down_revision = "customer_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    version = sa.Column("version", sa.Integer(), nullable=False, server_default="1")
    op.add_column("duplicate_thresholds", version)
    op.execute(
        "INSERT INTO duplicate_thresholds (kind, entry_from, review_from) "
        "VALUES ('account', 90, 90), ('contact', 90, 90) ON CONFLICT DO NOTHING"
    )


def downgrade() -> None:
    op.drop_column("duplicate_thresholds", "version")
