"""Used refresh tokens by when they were used."""

from alembic import op

from crm_chassis import expanding

revision = "gateway_0004"
down_revision = "gateway_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.create_index("refresh_tokens_used_at", "refresh_tokens", ["used_at"])


def downgrade() -> None:
    op.drop_index("refresh_tokens_used_at", table_name="refresh_tokens")
