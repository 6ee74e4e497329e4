"""Leads are found by their e-mail address."""

from alembic import op

from crm_chassis import expanding

revision = "sales_0008"
down_revision = "sales_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    expanding.create_index("leads_by_email", "leads", ["email"])


def downgrade() -> None:
    op.drop_index("leads_by_email", "leads")
