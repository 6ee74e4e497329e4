"""Orders, invoices, receipts and returns."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

revision = "sales_0004"
down_revision = "sales_0003"
branch_labels = None
depends_on = None

_UNPAID_AFTER_HOURS = 48


def upgrade() -> None:
    op.create_table(
        "invoice_numbers",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("invoice_numbers_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "order_numbers",
        sa.Column("serial", sa.Integer(), nullable=False),
        sa.Column("document_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.PrimaryKeyConstraint("serial", name=op.f("order_numbers_pkey")),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "order_settings",
        sa.Column("unpaid_after_hours", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("order_settings_pkey")),
    )
    op.create_table(
        "orders",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("quote_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contract_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("return_status", sa.String(length=10), nullable=False),
        sa.Column("payment_overdue", sa.Boolean(), nullable=False),
        sa.Column("payment_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "subtotal", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "discount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("tax", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False),
        sa.Column(
            "total", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "paid_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "returned_amount",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column("placed_on", sa.Date(), nullable=False),
        sa.Column("placed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paid_on", sa.Date(), nullable=True),
        sa.Column("fulfilled_on", sa.Date(), nullable=True),
        sa.Column("completed_on", sa.Date(), nullable=True),
        sa.Column("cancelled_on", sa.Date(), nullable=True),
        sa.Column("cancel_reason", sa.String(length=100), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint("paid_amount + returned_amount <= total", name="orders_not_overpaid"),
        sa.CheckConstraint("paid_amount >= 0 AND returned_amount >= 0", name="orders_amounts"),
        sa.PrimaryKeyConstraint("id", name=op.f("orders_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("orders_external_id_unique")),
        sa.UniqueConstraint("number", name=op.f("orders_number_unique")),
        sa.UniqueConstraint("quote_id", name=op.f("orders_quote_id_unique")),
    )
    op.create_index("orders_by_account", "orders", ["account_id", "placed_at", "id"], unique=False)
    op.create_index(
        "orders_by_campaign", "orders", ["campaign_id", "placed_at", "id"], unique=False
    )
    op.create_index("orders_by_contact", "orders", ["contact_id", "placed_at", "id"], unique=False)
    op.create_index(
        "orders_by_contract", "orders", ["contract_id", "placed_at", "id"], unique=False
    )
    op.create_index(
        "orders_by_opportunity", "orders", ["opportunity_id", "placed_at", "id"], unique=False
    )
    op.create_index("orders_by_owner", "orders", ["owner_id", "placed_at", "id"], unique=False)
    op.create_index(
        "orders_by_payment_overdue", "orders", ["payment_overdue", "placed_at", "id"], unique=False
    )
    op.create_index("orders_by_placed_at", "orders", ["placed_at", "id"], unique=False)
    op.create_index("orders_by_placed_on", "orders", ["placed_on", "id"], unique=False)
    op.create_index("orders_by_status", "orders", ["status", "placed_at", "id"], unique=False)
    op.create_index("orders_by_team", "orders", ["team_id", "placed_at", "id"], unique=False)
    op.create_index("orders_by_total", "orders", ["total", "id"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("invoice_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "unallocated_amount",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("received_on", sa.Date(), nullable=False),
        sa.Column("method", sa.String(length=64), nullable=True),
        sa.Column("reference", sa.String(length=200), nullable=True),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("reversed_on", sa.Date(), nullable=True),
        sa.Column("reverse_reason", sa.String(length=100), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint(
            "unallocated_amount >= 0 AND unallocated_amount <= amount", name="receipts_amounts"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("receipts_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("receipts_external_id_unique")),
    )
    op.create_index(
        "receipts_by_account", "receipts", ["account_id", "received_on", "id"], unique=False
    )
    op.create_index("receipts_by_amount", "receipts", ["amount", "id"], unique=False)
    op.create_index(
        "receipts_by_contact", "receipts", ["contact_id", "received_on", "id"], unique=False
    )
    op.create_index(
        "receipts_by_invoice", "receipts", ["invoice_id", "received_on", "id"], unique=False
    )
    op.create_index(
        "receipts_by_order", "receipts", ["order_id", "received_on", "id"], unique=False
    )
    op.create_index(
        "receipts_by_owner", "receipts", ["owner_id", "received_on", "id"], unique=False
    )
    op.create_index("receipts_by_received_on", "receipts", ["received_on", "id"], unique=False)
    op.create_index(
        "receipts_by_reference", "receipts", ["reference", "received_on", "id"], unique=False
    )
    op.create_index("receipts_by_team", "receipts", ["team_id", "received_on", "id"], unique=False)
    op.create_table(
        "invoices",
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column(
            "subtotal", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("tax", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False),
        sa.Column(
            "total", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("issued_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("void_reason", sa.String(length=100), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("invoices_order_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("invoices_pkey")),
        sa.UniqueConstraint("number", name=op.f("invoices_number_unique")),
    )
    op.create_index(
        "invoices_by_account", "invoices", ["account_id", "issued_on", "id"], unique=False
    )
    op.create_index(
        "invoices_by_contact", "invoices", ["contact_id", "issued_on", "id"], unique=False
    )
    op.create_index("invoices_by_due_on", "invoices", ["due_on", "id"], unique=False)
    op.create_index("invoices_by_issued_on", "invoices", ["issued_on", "id"], unique=False)
    op.create_index("invoices_by_order", "invoices", ["order_id", "issued_on", "id"], unique=False)
    op.create_index("invoices_by_owner", "invoices", ["owner_id", "issued_on", "id"], unique=False)
    op.create_index("invoices_by_status", "invoices", ["status", "issued_on", "id"], unique=False)
    op.create_index("invoices_by_team", "invoices", ["team_id", "issued_on", "id"], unique=False)
    op.create_table(
        "order_lines",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_name", sa.String(length=200), nullable=True),
        sa.Column(
            "quantity", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "unit_price", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "discount_percent",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "tax_rate", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "subtotal", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "discount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("tax", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False),
        sa.Column(
            "total", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "returned_quantity",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "returned_amount",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("order_lines_order_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("order_lines_pkey")),
    )
    op.create_index("order_lines_by_order", "order_lines", ["order_id", "position"], unique=False)
    op.create_index("order_lines_by_product", "order_lines", ["product_id", "id"], unique=False)
    op.create_table(
        "order_returns",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("returned_on", sa.Date(), nullable=False),
        sa.Column("reason", sa.String(length=100), nullable=True),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("order_returns_order_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("order_returns_pkey")),
    )
    op.create_index("order_returns_by_order", "order_returns", ["order_id", "id"], unique=False)
    op.create_table(
        "receipt_allocations",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("receipt_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("receivable_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.CheckConstraint("amount > 0", name="receipt_allocations_amount"),
        sa.ForeignKeyConstraint(
            ["order_id"],
            ["orders.id"],
            name=op.f("receipt_allocations_order_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["receipt_id"],
            ["receipts.id"],
            name=op.f("receipt_allocations_receipt_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("receipt_allocations_pkey")),
    )
    op.create_index(
        "receipt_allocations_by_order", "receipt_allocations", ["order_id", "id"], unique=False
    )
    op.create_index(
        "receipt_allocations_by_receipt", "receipt_allocations", ["receipt_id", "id"], unique=False
    )
    op.create_table(
        "receivables",
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("invoice_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("overdue_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "paid_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.CheckConstraint(
            "paid_amount >= 0 AND paid_amount <= amount", name="receivables_amounts"
        ),
        sa.ForeignKeyConstraint(
            ["order_id"], ["orders.id"], name=op.f("receivables_order_id_fkey"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("receivables_pkey")),
    )
    op.create_index(
        "receivables_by_account", "receivables", ["account_id", "due_on", "id"], unique=False
    )
    op.create_index(
        "receivables_by_contact", "receivables", ["contact_id", "due_on", "id"], unique=False
    )
    op.create_index("receivables_by_due_on", "receivables", ["due_on", "id"], unique=False)
    op.create_index(
        "receivables_by_invoice", "receivables", ["invoice_id", "due_on", "id"], unique=False
    )
    op.create_index("receivables_by_order", "receivables", ["order_id", "position"], unique=False)
    op.create_index(
        "receivables_by_owner", "receivables", ["owner_id", "due_on", "id"], unique=False
    )
    op.create_index(
        "receivables_by_status", "receivables", ["status", "due_on", "id"], unique=False
    )
    op.create_index("receivables_by_team", "receivables", ["team_id", "due_on", "id"], unique=False)
    op.create_table(
        "order_return_lines",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("return_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("line_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "quantity", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["line_id"],
            ["order_lines.id"],
            name=op.f("order_return_lines_line_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["return_id"],
            ["order_returns.id"],
            name=op.f("order_return_lines_return_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("order_return_lines_pkey")),
    )
    op.create_index(
        "order_return_lines_by_return", "order_return_lines", ["return_id", "id"], unique=False
    )
    _insert_settings()


def _insert_settings() -> None:
    now = datetime.now(UTC)
    settings = sa.table(
        "order_settings",
        sa.column("unpaid_after_hours", sa.Integer),
        sa.column("id", sa.Uuid(as_uuid=False)),
        sa.column("version", sa.Integer),
        sa.column("created_at", sa.DateTime(timezone=True)),
        sa.column("updated_at", sa.DateTime(timezone=True)),
    )
    row = {
        "unpaid_after_hours": _UNPAID_AFTER_HOURS,
        "id": "00000000-0000-7000-8000-000000000004",
        "version": 1,
        "created_at": now,
        "updated_at": now,
    }
    op.bulk_insert(settings, [row])


def downgrade() -> None:
    op.drop_index("order_return_lines_by_return", table_name="order_return_lines")
    op.drop_table("order_return_lines")
    op.drop_index("receivables_by_team", table_name="receivables")
    op.drop_index("receivables_by_status", table_name="receivables")
    op.drop_index("receivables_by_owner", table_name="receivables")
    op.drop_index("receivables_by_order", table_name="receivables")
    op.drop_index("receivables_by_invoice", table_name="receivables")
    op.drop_index("receivables_by_due_on", table_name="receivables")
    op.drop_index("receivables_by_contact", table_name="receivables")
    op.drop_index("receivables_by_account", table_name="receivables")
    op.drop_table("receivables")
    op.drop_index("receipt_allocations_by_receipt", table_name="receipt_allocations")
    op.drop_index("receipt_allocations_by_order", table_name="receipt_allocations")
    op.drop_table("receipt_allocations")
    op.drop_index("order_returns_by_order", table_name="order_returns")
    op.drop_table("order_returns")
    op.drop_index("order_lines_by_product", table_name="order_lines")
    op.drop_index("order_lines_by_order", table_name="order_lines")
    op.drop_table("order_lines")
    op.drop_index("invoices_by_team", table_name="invoices")
    op.drop_index("invoices_by_status", table_name="invoices")
    op.drop_index("invoices_by_owner", table_name="invoices")
    op.drop_index("invoices_by_order", table_name="invoices")
    op.drop_index("invoices_by_issued_on", table_name="invoices")
    op.drop_index("invoices_by_due_on", table_name="invoices")
    op.drop_index("invoices_by_contact", table_name="invoices")
    op.drop_index("invoices_by_account", table_name="invoices")
    op.drop_table("invoices")
    op.drop_index("receipts_by_team", table_name="receipts")
    op.drop_index("receipts_by_reference", table_name="receipts")
    op.drop_index("receipts_by_received_on", table_name="receipts")
    op.drop_index("receipts_by_owner", table_name="receipts")
    op.drop_index("receipts_by_order", table_name="receipts")
    op.drop_index("receipts_by_invoice", table_name="receipts")
    op.drop_index("receipts_by_contact", table_name="receipts")
    op.drop_index("receipts_by_amount", table_name="receipts")
    op.drop_index("receipts_by_account", table_name="receipts")
    op.drop_table("receipts")
    op.drop_index("orders_by_total", table_name="orders")
    op.drop_index("orders_by_team", table_name="orders")
    op.drop_index("orders_by_status", table_name="orders")
    op.drop_index("orders_by_placed_on", table_name="orders")
    op.drop_index("orders_by_placed_at", table_name="orders")
    op.drop_index("orders_by_payment_overdue", table_name="orders")
    op.drop_index("orders_by_owner", table_name="orders")
    op.drop_index("orders_by_opportunity", table_name="orders")
    op.drop_index("orders_by_contract", table_name="orders")
    op.drop_index("orders_by_contact", table_name="orders")
    op.drop_index("orders_by_campaign", table_name="orders")
    op.drop_index("orders_by_account", table_name="orders")
    op.drop_table("orders")
    op.drop_table("order_settings")
    op.drop_table("order_numbers")
    op.drop_table("invoice_numbers")
