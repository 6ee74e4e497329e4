"""Leads are found by their telephone number."""

from alembic import op

from crm_chassis import expanding

revision = "sales_0009"
down_revision = "sales_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.create_index("leads_by_phone", "leads", ["phone"])


def downgrade() -> None:
    op.drop_index("leads_by_phone", "leads")
