"""Keys of before have signed since they were made."""

from alembic import op

from crm_chassis import expanding

revision = "gateway_0003"
down_revision = "gateway_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.fill("signing_keys", "activated_at = made_at", "activated_at IS NULL")


def downgrade() -> None:
    op.execute("DELETE FROM signing_keys WHERE activated_at IS NULL")  # they never signed
