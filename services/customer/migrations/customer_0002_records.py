"""Roles of contacts at accounts, parts of addresses, typed phones, consent and custom fields."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0002"
down_revision = "customer_0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_DOCUMENTS = {"typed_phones": "{}", "address_parts": "[]", "consent": "{}", "custom": "{}"}


def upgrade() -> None:
    for table in ("accounts", "contacts"):
        for name, empty in _DOCUMENTS.items():
            op.add_column(table, sa.Column(name, _JSON, nullable=False, server_default=empty))
        if op.get_context().dialect.name == "postgresql":
            op.create_index(
                f"{table}_by_custom",
                table,
                ["custom"],
                postgresql_using="gin",
                postgresql_ops={"custom": "jsonb_path_ops"},
            )
    op.add_column("contacts", sa.Column("birthday", sa.Date(), nullable=True))
    op.create_table(
        "account_contacts",
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("roles", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("account_contacts_account_id_fkey")
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.id"], name=op.f("account_contacts_contact_id_fkey")
        ),
        sa.PrimaryKeyConstraint("account_id", "contact_id", name=op.f("account_contacts_pkey")),
    )
    op.create_index("account_contacts_by_contact", "account_contacts", ["contact_id"])
    op.create_table(
        "consent_changes",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("consent_changes_pkey")),
    )
    op.create_index(
        "consent_changes_by_created_at", "consent_changes", ["customer_id", "created_at", "id"]
    )


def downgrade() -> None:
    op.drop_table("consent_changes")
    op.drop_table("account_contacts")
    op.drop_column("contacts", "birthday")
    for table in ("contacts", "accounts"):
        if op.get_context().dialect.name == "postgresql":
            op.drop_index(f"{table}_by_custom", table_name=table)
        for name in reversed(_DOCUMENTS):
            op.drop_column(table, name)
