"""First tables, and the default pipeline."""

import sqlalchemy as sa
from alembic import op

revision = "sales_0001"
down_revision = None
branch_labels = ("sales",)
depends_on = None

_DEFAULT_PIPELINE = (
    ("prospecting", "Prospecting", 1, "open", 10),
    ("qualification", "Qualification", 2, "open", 20),
    ("proposal", "Proposal", 3, "open", 50),
    ("negotiation", "Negotiation", 4, "open", 80),
    ("won", "Won", 5, "won", 100),
    ("lost", "Lost", 6, "lost", 0),
)


def upgrade() -> None:
    op.create_table(
        "leads",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("company", sa.String(length=200), nullable=True),
        sa.Column("job_title", sa.String(length=100), nullable=True),
        sa.Column("phone", sa.String(length=50), nullable=True),
        sa.Column("email", sa.String(length=254), nullable=True),
        sa.Column("industry", sa.String(length=100), nullable=True),
        sa.Column("region", sa.String(length=100), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("score", sa.Integer(), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("status_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("converted_on", sa.Date(), nullable=True),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("leads_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("leads_external_id_unique")),
    )
    op.create_index("leads_by_created_at", "leads", ["created_at", "id"], unique=False)
    op.create_index("leads_by_name", "leads", ["name", "id"], unique=False)
    op.create_index("leads_by_owner", "leads", ["owner_id", "created_at", "id"], unique=False)
    op.create_index("leads_by_score", "leads", ["score", "id"], unique=False)
    op.create_index("leads_by_status", "leads", ["status", "created_at", "id"], unique=False)
    op.create_index("leads_by_team", "leads", ["team_id", "created_at", "id"], unique=False)
    op.create_table(
        "opportunities",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("lead_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("stage_order", sa.Integer(), nullable=False),
        sa.Column("stage_type", sa.String(length=10), nullable=False),
        sa.Column("stage_since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("probability", sa.Integer(), nullable=False),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("quantity", sa.Integer(), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("expected_close_on", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("lost_reason", sa.String(length=100), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("opportunities_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("opportunities_external_id_unique")),
        sa.UniqueConstraint("lead_id", name=op.f("opportunities_lead_id_unique")),
    )
    op.create_index(
        "opportunities_by_account",
        "opportunities",
        ["account_id", "created_at", "id"],
        unique=False,
    )
    op.create_index("opportunities_by_amount", "opportunities", ["amount", "id"], unique=False)
    op.create_index(
        "opportunities_by_closed_on", "opportunities", ["closed_on", "id"], unique=False
    )
    op.create_index(
        "opportunities_by_created_at", "opportunities", ["created_at", "id"], unique=False
    )
    op.create_index("opportunities_by_name", "opportunities", ["name", "id"], unique=False)
    op.create_index(
        "opportunities_by_owner", "opportunities", ["owner_id", "created_at", "id"], unique=False
    )
    op.create_index(
        "opportunities_by_stage", "opportunities", ["stage", "created_at", "id"], unique=False
    )
    op.create_index(
        "opportunities_by_team", "opportunities", ["team_id", "created_at", "id"], unique=False
    )
    op.create_table(
        "products",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("series", sa.String(length=100), nullable=True),
        sa.Column(
            "list_price", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("products_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("products_external_id_unique")),
    )
    op.create_index("products_by_created_at", "products", ["created_at", "id"], unique=False)
    op.create_index("products_by_name", "products", ["name", "id"], unique=False)
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
        "replica_campaigns",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_campaigns_pkey")),
    )
    op.create_index(
        "replica_campaigns_external_id", "replica_campaigns", ["external_id"], unique=False
    )
    op.create_index("replica_campaigns_name", "replica_campaigns", ["name"], unique=False)
    stages = op.create_table(
        "stages",
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("type", sa.String(length=10), nullable=False),
        sa.Column("probability", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("pipeline", "key", name=op.f("stages_pkey")),
    )
    op.create_table(
        "targets",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("scope", sa.String(length=10), nullable=False),
        sa.Column("member_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("quantity", sa.Integer(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("targets_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("targets_external_id_unique")),
        sa.UniqueConstraint(
            "scope",
            "member_id",
            "month",
            "currency",
            name=op.f("targets_scope_member_id_month_currency_unique"),
        ),
    )
    op.create_index("targets_by_month", "targets", ["month", "id"], unique=False)
    op.create_table(
        "stage_log",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("from_stage", sa.String(length=64), nullable=True),
        sa.Column("to_stage", sa.String(length=64), nullable=False),
        sa.Column("seconds", sa.Integer(), nullable=True),
        sa.Column("entered_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.id"],
            name=op.f("stage_log_opportunity_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("stage_log_pkey")),
    )
    op.create_index(
        "stage_log_by_opportunity",
        "stage_log",
        ["opportunity_id", "entered_at", "id"],
        unique=False,
    )
    columns = ("pipeline", "key", "name", "position", "type", "probability")
    op.bulk_insert(
        stages, [dict(zip(columns, ("default", *row), strict=True)) for row in _DEFAULT_PIPELINE]
    )


def downgrade() -> None:
    op.drop_index("stage_log_by_opportunity", table_name="stage_log")
    op.drop_table("stage_log")
    op.drop_index("targets_by_month", table_name="targets")
    op.drop_table("targets")
    op.drop_table("stages")
    op.drop_index("replica_campaigns_name", table_name="replica_campaigns")
    op.drop_index("replica_campaigns_external_id", table_name="replica_campaigns")
    op.drop_table("replica_campaigns")
    op.drop_index("replica_accounts_name", table_name="replica_accounts")
    op.drop_index("replica_accounts_external_id", table_name="replica_accounts")
    op.drop_table("replica_accounts")
    op.drop_index("products_by_name", table_name="products")
    op.drop_index("products_by_created_at", table_name="products")
    op.drop_table("products")
    op.drop_index("opportunities_by_team", table_name="opportunities")
    op.drop_index("opportunities_by_stage", table_name="opportunities")
    op.drop_index("opportunities_by_owner", table_name="opportunities")
    op.drop_index("opportunities_by_name", table_name="opportunities")
    op.drop_index("opportunities_by_created_at", table_name="opportunities")
    op.drop_index("opportunities_by_closed_on", table_name="opportunities")
    op.drop_index("opportunities_by_amount", table_name="opportunities")
    op.drop_index("opportunities_by_account", table_name="opportunities")
    op.drop_table("opportunities")
    op.drop_index("leads_by_team", table_name="leads")
    op.drop_index("leads_by_status", table_name="leads")
    op.drop_index("leads_by_score", table_name="leads")
    op.drop_index("leads_by_owner", table_name="leads")
    op.drop_index("leads_by_name", table_name="leads")
    op.drop_index("leads_by_created_at", table_name="leads")
    op.drop_table("leads")
