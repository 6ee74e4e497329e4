"""First tables."""

import sqlalchemy as sa
from alembic import op

revision = "service_desk_0001"
down_revision = None
branch_labels = ("service_desk",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "replica_accounts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_accounts_pkey")),
    )
    op.create_index(
        "replica_accounts_external_id", "replica_accounts", ["external_id"], unique=False
    )
    op.create_index("replica_accounts_name", "replica_accounts", ["name"], unique=False)
    op.create_table(
        "replica_contacts",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_contacts_pkey")),
    )
    op.create_index(
        "replica_contacts_external_id", "replica_contacts", ["external_id"], unique=False
    )
    op.create_index("replica_contacts_name", "replica_contacts", ["name"], unique=False)
    op.create_table(
        "ticket_numbers",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("ticket_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("ticket_numbers_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "tickets",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.String(length=20), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("assignee_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_replied_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_on", sa.Date(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("tickets_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("tickets_external_id_unique")),
        sa.UniqueConstraint("number", name=op.f("tickets_number_unique")),
    )
    op.create_index(
        "tickets_by_account", "tickets", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "tickets_by_assignee", "tickets", ["assignee_id", "created_at", "id"], unique=False
    )
    op.create_index("tickets_by_created_at", "tickets", ["created_at", "id"], unique=False)
    op.create_index("tickets_by_opened_at", "tickets", ["opened_at", "id"], unique=False)
    op.create_index("tickets_by_status", "tickets", ["status", "created_at", "id"], unique=False)
    op.create_index("tickets_by_team", "tickets", ["team_id", "created_at", "id"], unique=False)
    op.create_table(
        "replies",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("ticket_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("author_id", sa.String(length=64), nullable=False),
        sa.Column("by_person", sa.Boolean(), nullable=False),
        sa.Column("public", sa.Boolean(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"], ["tickets.id"], name=op.f("replies_ticket_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("replies_pkey")),
    )
    op.create_index("replies_by_ticket", "replies", ["ticket_id", "created_at", "id"], unique=False)
    op.create_table(
        "status_log",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("ticket_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("from_status", sa.String(length=20), nullable=True),
        sa.Column("to_status", sa.String(length=20), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["ticket_id"],
            ["tickets.id"],
            name=op.f("status_log_ticket_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("status_log_pkey")),
    )
    op.create_index(
        "status_log_by_ticket", "status_log", ["ticket_id", "entered_at", "id"], unique=False
    )


def downgrade() -> None:
    op.drop_index("status_log_by_ticket", table_name="status_log")
    op.drop_table("status_log")
    op.drop_index("replies_by_ticket", table_name="replies")
    op.drop_table("replies")
    op.drop_index("tickets_by_team", table_name="tickets")
    op.drop_index("tickets_by_status", table_name="tickets")
    op.drop_index("tickets_by_opened_at", table_name="tickets")
    op.drop_index("tickets_by_created_at", table_name="tickets")
    op.drop_index("tickets_by_assignee", table_name="tickets")
    op.drop_index("tickets_by_account", table_name="tickets")
    op.drop_table("tickets")
    op.drop_table("ticket_numbers")
    op.drop_index("replica_contacts_name", table_name="replica_contacts")
    op.drop_index("replica_contacts_external_id", table_name="replica_contacts")
    op.drop_table("replica_contacts")
    op.drop_index("replica_accounts_name", table_name="replica_accounts")
    op.drop_index("replica_accounts_external_id", table_name="replica_accounts")
    op.drop_table("replica_accounts")
