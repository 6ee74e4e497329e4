"""Quotes and contracts."""

import sqlalchemy as sa
from alembic import op

revision = "sales_0005"
down_revision = "sales_0004"
branch_labels = None
depends_on = None

_MONEY = sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "approval_rules",
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("amount_from", _MONEY, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("approver_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("position >= 1", name="approval_rules_position"),
        sa.PrimaryKeyConstraint("id", name=op.f("approval_rules_pkey")),
    )
    op.create_index(
        "approval_rules_by_position",
        "approval_rules",
        ["position", "amount_from", "id"],
        unique=False,
    )
    op.create_table(
        "contract_numbers",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("contract_numbers_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "contract_settings",
        sa.Column("reminder_days", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("contract_settings_pkey")),
    )
    op.create_table(
        "contracts",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("title", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("quote_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("amount", _MONEY, nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("submitted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submitted_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("approved_on", sa.Date(), nullable=True),
        sa.Column("activated_on", sa.Date(), nullable=True),
        sa.Column("reminded_on", sa.Date(), nullable=True),
        sa.Column("ended_on", sa.Date(), nullable=True),
        sa.Column("end_reason", sa.String(length=200), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint("ends_on >= starts_on", name="contracts_term"),
        sa.PrimaryKeyConstraint("id", name=op.f("contracts_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("contracts_external_id_unique")),
        sa.UniqueConstraint("number", name=op.f("contracts_number_unique")),
    )
    op.create_index(
        "contracts_by_account", "contracts", ["account_id", "created_at", "id"], unique=False
    )
    op.create_index("contracts_by_amount", "contracts", ["amount", "id"], unique=False)
    op.create_index(
        "contracts_by_contact", "contracts", ["contact_id", "created_at", "id"], unique=False
    )
    op.create_index("contracts_by_created_at", "contracts", ["created_at", "id"], unique=False)
    op.create_index("contracts_by_ends_on", "contracts", ["ends_on", "id"], unique=False)
    op.create_index(
        "contracts_by_opportunity",
        "contracts",
        ["opportunity_id", "created_at", "id"],
        unique=False,
    )
    op.create_index(
        "contracts_by_owner", "contracts", ["owner_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "contracts_by_status_and_end", "contracts", ["status", "ends_on", "id"], unique=False
    )
    op.create_index("contracts_by_team", "contracts", ["team_id", "created_at", "id"], unique=False)
    op.create_table(
        "quote_numbers",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("quote_numbers_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "quotes",
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("version_number", sa.Integer(), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("subtotal", _MONEY, nullable=False),
        sa.Column("discount", _MONEY, nullable=False),
        sa.Column("tax", _MONEY, nullable=False),
        sa.Column("total", _MONEY, nullable=False),
        sa.Column("valid_until", sa.Date(), nullable=False),
        sa.Column("terms", sa.Text(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("decided_on", sa.Date(), nullable=True),
        sa.Column("reject_reason", sa.String(length=200), nullable=True),
        sa.Column("superseded_by_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("quotes_pkey")),
        sa.UniqueConstraint(
            "number", "version_number", name=op.f("quotes_number_version_number_unique")
        ),
    )
    op.create_index("quotes_by_account", "quotes", ["account_id", "created_at", "id"], unique=False)
    op.create_index("quotes_by_contact", "quotes", ["contact_id", "created_at", "id"], unique=False)
    op.create_index("quotes_by_created_at", "quotes", ["created_at", "id"], unique=False)
    op.create_index(
        "quotes_by_opportunity", "quotes", ["opportunity_id", "created_at", "id"], unique=False
    )
    op.create_index("quotes_by_owner", "quotes", ["owner_id", "created_at", "id"], unique=False)
    op.create_index("quotes_by_status", "quotes", ["status", "created_at", "id"], unique=False)
    op.create_index("quotes_by_team", "quotes", ["team_id", "created_at", "id"], unique=False)
    op.create_index("quotes_by_total", "quotes", ["total", "id"], unique=False)
    op.create_index("quotes_by_valid_until", "quotes", ["valid_until", "id"], unique=False)
    op.create_table(
        "contract_approvals",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("contract_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("approver_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("decision", sa.String(length=10), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("comment", sa.String(length=1000), nullable=True),
        sa.Column("delegated_by", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["contract_id"],
            ["contracts.id"],
            name=op.f("contract_approvals_contract_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("contract_approvals_pkey")),
        sa.UniqueConstraint(
            "contract_id", "position", name=op.f("contract_approvals_contract_id_position_unique")
        ),
    )
    op.create_index(
        "contract_approvals_by_approver",
        "contract_approvals",
        ["approver_id", "decision", "contract_id"],
        unique=False,
    )
    op.create_table(
        "quote_lines",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("quote_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_name", sa.String(length=200), nullable=False),
        sa.Column("quantity", _MONEY, nullable=False),
        sa.Column("unit_price", _MONEY, nullable=False),
        sa.Column("discount_percent", _MONEY, nullable=False),
        sa.Column("tax_rate", _MONEY, nullable=False),
        sa.Column("subtotal", _MONEY, nullable=False),
        sa.Column("discount", _MONEY, nullable=False),
        sa.Column("tax", _MONEY, nullable=False),
        sa.Column("total", _MONEY, nullable=False),
        sa.ForeignKeyConstraint(
            ["quote_id"], ["quotes.id"], name=op.f("quote_lines_quote_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("quote_lines_pkey")),
    )
    op.create_index("quote_lines_by_quote", "quote_lines", ["quote_id", "position"], unique=False)
    op.execute(
        sa.text(
            "INSERT INTO contract_settings (id, version, created_at, updated_at, reminder_days) "
            "VALUES (:id, 1, CURRENT_TIMESTAMP, CURRENT_TIMESTAMP, 3)"
        ).bindparams(
            sa.bindparam("id", "00000000-0000-7000-8000-000000000002", sa.Uuid(as_uuid=False))
        )
    )


def downgrade() -> None:
    op.drop_index("quote_lines_by_quote", table_name="quote_lines")
    op.drop_table("quote_lines")
    op.drop_index("contract_approvals_by_approver", table_name="contract_approvals")
    op.drop_table("contract_approvals")
    op.drop_index("quotes_by_valid_until", table_name="quotes")
    op.drop_index("quotes_by_total", table_name="quotes")
    op.drop_index("quotes_by_team", table_name="quotes")
    op.drop_index("quotes_by_status", table_name="quotes")
    op.drop_index("quotes_by_owner", table_name="quotes")
    op.drop_index("quotes_by_opportunity", table_name="quotes")
    op.drop_index("quotes_by_created_at", table_name="quotes")
    op.drop_index("quotes_by_contact", table_name="quotes")
    op.drop_index("quotes_by_account", table_name="quotes")
    op.drop_table("quotes")
    op.drop_table("quote_numbers")
    op.drop_index("contracts_by_team", table_name="contracts")
    op.drop_index("contracts_by_status_and_end", table_name="contracts")
    op.drop_index("contracts_by_owner", table_name="contracts")
    op.drop_index("contracts_by_opportunity", table_name="contracts")
    op.drop_index("contracts_by_ends_on", table_name="contracts")
    op.drop_index("contracts_by_created_at", table_name="contracts")
    op.drop_index("contracts_by_contact", table_name="contracts")
    op.drop_index("contracts_by_amount", table_name="contracts")
    op.drop_index("contracts_by_account", table_name="contracts")
    op.drop_table("contracts")
    op.drop_table("contract_settings")
    op.drop_table("contract_numbers")
    op.drop_index("approval_rules_by_position", table_name="approval_rules")
    op.drop_table("approval_rules")
