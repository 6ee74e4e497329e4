"""Tickets found by their contact, whose merges they follow."""

from alembic import op

revision = "service_desk_0002"
down_revision = "service_desk_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("tickets_by_contact", "tickets", ["contact_id", "created_at", "id"])


def downgrade() -> None:
    op.drop_index("tickets_by_contact", "tickets")
