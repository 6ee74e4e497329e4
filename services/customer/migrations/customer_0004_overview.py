"""What the overview shows, life cycle, tags and rules."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "customer_0004"
down_revision = "customer_0003"
branch_labels = None
depends_on = None

_CUSTOMERS = ("accounts", "contacts")
_CARE = {
    "potential": "Introduction to what we offer, and cases of customers like them.",
    "intent": "A named salesperson, samples or a trial, and answers within a working day.",
    "customer": "Training in the first month, and a call after it.",
    "repeat": "Offers of parts and extensions; a named team for strategic customers.",
    "lapsed": "A call to hear why, and an offer to come back.",
}


def upgrade() -> None:
    op.create_table(
        "care_plans",
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("care", sa.Text(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("care_plans_pkey")),
        sa.UniqueConstraint("stage", name=op.f("care_plans_stage_unique")),
    )
    op.create_table(
        "customer_figures",
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("orders", sa.Integer(), nullable=False),
        sa.Column("order_days", sa.Integer(), nullable=False),
        sa.Column("first_order_on", sa.Date(), nullable=True),
        sa.Column("last_order_on", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column(
            "spend", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column(
            "products", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("customer_figures_pkey")),
    )
    op.create_table(
        "lifecycle_moves",
        sa.Column("customer_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("moved_on", sa.Date(), nullable=False),
        sa.Column("from_stage", sa.String(length=10), nullable=False),
        sa.Column("to_stage", sa.String(length=10), nullable=False),
        sa.Column("seconds_in_stage", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "position", name=op.f("lifecycle_moves_pkey")),
    )
    op.create_table(
        "lifecycle_settings",
        sa.Column("lapse_days", sa.Integer(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("lapse_days > 0", name="lifecycle_settings_lapse_days"),
        sa.PrimaryKeyConstraint("id", name=op.f("lifecycle_settings_pkey")),
    )
    op.create_table(
        "lifecycles",
        sa.Column("customer_type", sa.String(length=10), nullable=False),
        sa.Column("stage", sa.String(length=10), nullable=False),
        sa.Column("since", sa.Date(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("lifecycles_pkey")),
    )
    op.create_index("lifecycles_by_stage", "lifecycles", ["stage", "id"], unique=False)
    op.create_table(
        "replica_campaigns",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("channel", sa.String(length=64), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=True),
        sa.Column("ends_on", sa.Date(), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_campaigns_pkey")),
    )
    op.create_table(
        "replica_deals",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("pipeline", sa.String(length=64), nullable=False),
        sa.Column("stage", sa.String(length=64), nullable=False),
        sa.Column("stage_type", sa.String(length=10), nullable=False),
        sa.Column("probability", sa.Integer(), nullable=False),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("opened_on", sa.Date(), nullable=True),
        sa.Column("expected_close_on", sa.Date(), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("lost_reason", sa.String(length=100), nullable=True),
        sa.Column("next_step", sa.Text(), nullable=True),
        sa.Column("next_step_on", sa.Date(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_deals_pkey")),
    )
    op.create_index(
        "replica_deals_by_account", "replica_deals", ["account_id", "closed_on", "id"], unique=False
    )
    op.create_index(
        "replica_deals_by_contact", "replica_deals", ["contact_id", "closed_on", "id"], unique=False
    )
    op.create_index(
        "replica_deals_touched_accounts",
        "replica_deals",
        ["account_id", "campaign_id"],
        unique=False,
    )
    op.create_index(
        "replica_deals_touched_contacts",
        "replica_deals",
        ["contact_id", "campaign_id"],
        unique=False,
    )
    op.create_table(
        "replica_leads",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("source", sa.String(length=100), nullable=True),
        sa.Column("created_on", sa.Date(), nullable=False),
        sa.Column("converted_on", sa.Date(), nullable=True),
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_leads_pkey")),
    )
    op.create_index(
        "replica_leads_by_account",
        "replica_leads",
        ["account_id", "created_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_leads_by_contact",
        "replica_leads",
        ["contact_id", "created_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_leads_touched_accounts",
        "replica_leads",
        ["account_id", "campaign_id"],
        unique=False,
    )
    op.create_index(
        "replica_leads_touched_contacts",
        "replica_leads",
        ["contact_id", "campaign_id"],
        unique=False,
    )
    op.create_table(
        "replica_order_lines",
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("sequence", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("line_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("product_name", sa.Text(), nullable=True),
        sa.Column(
            "quantity", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "total", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint(
            "order_id", "sequence", "position", name=op.f("replica_order_lines_pkey")
        ),
    )
    op.create_table(
        "replica_order_returns",
        sa.Column("return_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("order_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("line_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "quantity", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.PrimaryKeyConstraint("return_id", "position", name=op.f("replica_order_returns_pkey")),
    )
    op.create_index(
        "replica_order_returns_by_order", "replica_order_returns", ["order_id"], unique=False
    )
    op.create_table(
        "replica_orders",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("return_status", sa.String(length=10), nullable=False),
        sa.Column("payment_overdue", sa.Boolean(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
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
        sa.Column("campaign_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_orders_pkey")),
    )
    op.create_index(
        "replica_orders_by_account",
        "replica_orders",
        ["account_id", "placed_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_orders_by_contact",
        "replica_orders",
        ["contact_id", "placed_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_orders_touched_accounts",
        "replica_orders",
        ["account_id", "campaign_id"],
        unique=False,
    )
    op.create_index(
        "replica_orders_touched_contacts",
        "replica_orders",
        ["contact_id", "campaign_id"],
        unique=False,
    )
    op.create_table(
        "replica_tasks",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("status", sa.String(length=10), nullable=False),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_on", sa.Date(), nullable=True),
        sa.Column("related_type", sa.String(length=64), nullable=True),
        sa.Column("related_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("completed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_tasks_pkey")),
    )
    op.create_index(
        "replica_tasks_by_account",
        "replica_tasks",
        ["account_id", "status", "due_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_tasks_by_contact",
        "replica_tasks",
        ["contact_id", "status", "due_on", "id"],
        unique=False,
    )
    op.create_table(
        "replica_tickets",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("number", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("type", sa.String(length=20), nullable=False),
        sa.Column("priority", sa.String(length=10), nullable=False),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("opened_on", sa.Date(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_on", sa.Date(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("replica_tickets_pkey")),
    )
    op.create_index(
        "replica_tickets_by_account",
        "replica_tickets",
        ["account_id", "opened_on", "id"],
        unique=False,
    )
    op.create_index(
        "replica_tickets_by_contact",
        "replica_tickets",
        ["contact_id", "opened_on", "id"],
        unique=False,
    )
    op.create_table(
        "tags",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("category", sa.String(length=64), nullable=True),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("colour", sa.String(length=7), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("tags_pkey")),
        sa.UniqueConstraint("key", name=op.f("tags_key_unique")),
    )
    op.create_index("tags_by_created_at", "tags", ["created_at", "id"], unique=False)
    op.create_index("tags_by_label", "tags", ["label", "id"], unique=False)
    op.create_table(
        "timeline",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("what", sa.String(length=30), nullable=False),
        sa.Column("ref", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("account_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("contact_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("owner_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column(
            "facts", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("timeline_pkey")),
    )
    op.create_index("timeline_by_account", "timeline", ["account_id", "at", "id"], unique=False)
    op.create_index("timeline_by_contact", "timeline", ["contact_id", "at", "id"], unique=False)
    op.create_index("timeline_by_ref", "timeline", ["ref"], unique=False)
    op.create_table(
        "tag_rules",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("tag", sa.String(length=64), nullable=False),
        sa.Column("match", sa.String(length=3), nullable=False),
        sa.Column(
            "conditions", sa.JSON().with_variant(postgresql.JSONB(), "postgresql"), nullable=False
        ),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["tag"], ["tags.key"], name=op.f("tag_rules_tag_fkey")),
        sa.PrimaryKeyConstraint("id", name=op.f("tag_rules_pkey")),
    )
    op.create_index("tag_rules_by_created_at", "tag_rules", ["created_at", "id"], unique=False)
    op.create_index("tag_rules_by_position", "tag_rules", ["position", "id"], unique=False)

    for table in _CUSTOMERS:
        for column in ("tags", "ruled_tags"):
            op.add_column(table, sa.Column(column, sa.Text(), server_default="", nullable=False))
    _fill_settings()


def _fill_settings() -> None:
    settings = _rows("lifecycle_settings", sa.column("lapse_days"))
    op.bulk_insert(settings, [_row(1) | {"lapse_days": 365}])
    plans = _rows("care_plans", sa.column("stage"), sa.column("care"))
    op.bulk_insert(
        plans,
        [
            _row(number) | {"stage": stage, "care": care}
            for number, (stage, care) in enumerate(_CARE.items(), 1)
        ],
    )


def _rows(name: str, *columns: sa.ColumnClause) -> sa.TableClause:
    instant = sa.DateTime(timezone=True)
    return sa.table(
        name,
        sa.column("id", sa.Uuid(as_uuid=False)),
        sa.column("version"),
        sa.column("created_at", instant),
        sa.column("updated_at", instant),
        *columns,
    )


def _row(number: int) -> dict[str, object]:
    now = datetime.now(UTC)
    key = f"00000000-0000-7000-8000-{number:012d}"
    return {"id": key, "version": 1, "created_at": now, "updated_at": now}


def downgrade() -> None:
    for table in _CUSTOMERS:
        for column in ("ruled_tags", "tags"):
            op.drop_column(table, column)
    op.drop_index("tag_rules_by_position", table_name="tag_rules")
    op.drop_index("tag_rules_by_created_at", table_name="tag_rules")
    op.drop_table("tag_rules")
    op.drop_index("timeline_by_ref", table_name="timeline")
    op.drop_index("timeline_by_contact", table_name="timeline")
    op.drop_index("timeline_by_account", table_name="timeline")
    op.drop_table("timeline")
    op.drop_index("tags_by_label", table_name="tags")
    op.drop_index("tags_by_created_at", table_name="tags")
    op.drop_table("tags")
    op.drop_index("replica_tickets_by_contact", table_name="replica_tickets")
    op.drop_index("replica_tickets_by_account", table_name="replica_tickets")
    op.drop_table("replica_tickets")
    op.drop_index("replica_tasks_by_contact", table_name="replica_tasks")
    op.drop_index("replica_tasks_by_account", table_name="replica_tasks")
    op.drop_table("replica_tasks")
    op.drop_index("replica_orders_touched_contacts", table_name="replica_orders")
    op.drop_index("replica_orders_touched_accounts", table_name="replica_orders")
    op.drop_index("replica_orders_by_contact", table_name="replica_orders")
    op.drop_index("replica_orders_by_account", table_name="replica_orders")
    op.drop_table("replica_orders")
    op.drop_index("replica_order_returns_by_order", table_name="replica_order_returns")
    op.drop_table("replica_order_returns")
    op.drop_table("replica_order_lines")
    op.drop_index("replica_leads_touched_contacts", table_name="replica_leads")
    op.drop_index("replica_leads_touched_accounts", table_name="replica_leads")
    op.drop_index("replica_leads_by_contact", table_name="replica_leads")
    op.drop_index("replica_leads_by_account", table_name="replica_leads")
    op.drop_table("replica_leads")
    op.drop_index("replica_deals_touched_contacts", table_name="replica_deals")
    op.drop_index("replica_deals_touched_accounts", table_name="replica_deals")
    op.drop_index("replica_deals_by_contact", table_name="replica_deals")
    op.drop_index("replica_deals_by_account", table_name="replica_deals")
    op.drop_table("replica_deals")
    op.drop_table("replica_campaigns")
    op.drop_index("lifecycles_by_stage", table_name="lifecycles")
    op.drop_table("lifecycles")
    op.drop_table("lifecycle_settings")
    op.drop_table("lifecycle_moves")
    op.drop_table("customer_figures")
    op.drop_table("care_plans")
