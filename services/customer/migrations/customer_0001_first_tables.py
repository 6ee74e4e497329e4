"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0001"
down_revision = None
branch_labels = ("customer",)
depends_on = None


def upgrade() -> None:
    op.create_table(
        "accounts",
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("industry", sa.String(length=100), nullable=True),
        sa.Column("website", sa.String(length=500), nullable=True),
        sa.Column("employees", sa.Integer(), nullable=True),
        sa.Column(
            "annual_revenue",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=True,
        ),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("founded_year", sa.Integer(), nullable=True),
        sa.Column("parent_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phones", sa.Text(), nullable=False),
        sa.Column("emails", sa.Text(), nullable=False),
        sa.Column(
            "addresses", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("preferences", sa.Text(), nullable=True),
        sa.Column("needs", sa.Text(), nullable=True),
        sa.Column("satisfaction", sa.String(length=10), nullable=True),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("level", sa.String(length=1), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["parent_id"], ["accounts.id"], name=op.f("accounts_parent_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("accounts_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("accounts_external_id_unique")),
    )
    op.create_index("accounts_by_created_at", "accounts", ["created_at", "id"], unique=False)
    op.create_index("accounts_by_name", "accounts", ["name", "id"], unique=False)
    op.create_index("accounts_by_owner", "accounts", ["owner_id", "created_at", "id"], unique=False)
    op.create_index(
        "accounts_by_parent", "accounts", ["parent_id", "created_at", "id"], unique=False
    )
    op.create_index("accounts_by_team", "accounts", ["team_id", "created_at", "id"], unique=False)
    op.create_table(
        "contacts",
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("sex", sa.String(length=20), nullable=True),
        sa.Column("job_title", sa.String(length=100), nullable=True),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("phones", sa.Text(), nullable=False),
        sa.Column("emails", sa.Text(), nullable=False),
        sa.Column(
            "addresses", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("preferences", sa.Text(), nullable=True),
        sa.Column("needs", sa.Text(), nullable=True),
        sa.Column("satisfaction", sa.String(length=10), nullable=True),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("level", sa.String(length=1), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("contacts_account_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("contacts_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("contacts_external_id_unique")),
    )
    op.create_index(
        "contacts_by_account", "contacts", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("contacts_by_created_at", "contacts", ["created_at", "id"], unique=False)
    op.create_index("contacts_by_name", "contacts", ["name", "id"], unique=False)
    op.create_index("contacts_by_owner", "contacts", ["owner_id", "created_at", "id"], unique=False)
    op.create_index("contacts_by_team", "contacts", ["team_id", "created_at", "id"], unique=False)


def downgrade() -> None:
    op.drop_index("contacts_by_team", table_name="contacts")
    op.drop_index("contacts_by_owner", table_name="contacts")
    op.drop_index("contacts_by_name", table_name="contacts")
    op.drop_index("contacts_by_created_at", table_name="contacts")
    op.drop_index("contacts_by_account", table_name="contacts")
    op.drop_table("contacts")
    op.drop_index("accounts_by_team", table_name="accounts")
    op.drop_index("accounts_by_parent", table_name="accounts")
    op.drop_index("accounts_by_owner", table_name="accounts")
    op.drop_index("accounts_by_name", table_name="accounts")
    op.drop_index("accounts_by_created_at", table_name="accounts")
    op.drop_table("accounts")
