"""What each event seen was about, so that its producer can be told after it was restored."""

import sqlalchemy as sa
from alembic import op

revision = "chassis_0009"
down_revision = "chassis_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("inbox", sa.Column("subject", sa.String(64), nullable=True))
    op.add_column("inbox", sa.Column("sequence", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    for name in ("sequence", "subject"):
        op.drop_column("inbox", name)
