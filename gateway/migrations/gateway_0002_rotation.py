"""Keys that are published before they sign, and secrets of clients that overlap."""

import sqlalchemy as sa
from alembic import op

revision = "gateway_0002"
down_revision = "gateway_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("signing_keys", sa.Column("activated_at", sa.DateTime(timezone=True)))
    op.add_column("signing_keys", sa.Column("expires_at", sa.DateTime(timezone=True)))
    op.add_column("clients", sa.Column("former_digest", sa.String(64)))
    op.add_column("clients", sa.Column("former_until", sa.DateTime(timezone=True)))


def downgrade() -> None:
    for name in ("former_until", "former_digest"):
        op.drop_column("clients", name)
    for name in ("expires_at", "activated_at"):
        op.drop_column("signing_keys", name)
