"""Pipelines, price lists and line items."""

from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "sales_0002"
down_revision = "sales_0001"
branch_labels = None
depends_on = None

_DEFAULT_PIPELINE_ID = "019fc6a4-0000-7000-8000-000000000001"


def upgrade() -> None:
    op.create_table(
        "competitors",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("website", sa.String(length=500), nullable=True),
        sa.Column("strengths", sa.String(length=2000), nullable=True),
        sa.Column("weaknesses", sa.String(length=2000), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("competitors_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("competitors_external_id_unique")),
        sa.UniqueConstraint("name", name=op.f("competitors_name_unique")),
    )
    op.create_index("competitors_by_created_at", "competitors", ["created_at", "id"], unique=False)
    op.create_table(
        "currency_settings",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("base_currency", sa.String(length=3), nullable=True),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("currency_settings_pkey")),
        sa.UniqueConstraint("one", name=op.f("currency_settings_one_unique")),
    )
    op.create_table(
        "discount_limits",
        sa.Column("role", sa.String(length=64), nullable=False),
        sa.Column(
            "max_percent", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("discount_limits_pkey")),
        sa.UniqueConstraint("role", name=op.f("discount_limits_role_unique")),
    )
    op.create_table(
        "exchange_rates",
        sa.Column("base_currency", sa.String(length=3), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column(
            "rate", sa.Numeric(18, 10).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("exchange_rates_pkey")),
        sa.UniqueConstraint(
            "base_currency",
            "currency",
            "valid_from",
            name=op.f("exchange_rates_base_currency_currency_valid_from_unique"),
        ),
    )
    op.create_index(
        "exchange_rates_by_valid_from", "exchange_rates", ["valid_from", "id"], unique=False
    )
    op.create_table(
        "lost_reasons",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("lost_reasons_pkey")),
        sa.UniqueConstraint("name", name=op.f("lost_reasons_name_unique")),
    )
    pipelines = op.create_table(
        "pipelines",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("is_default", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pipelines_pkey")),
        sa.UniqueConstraint("key", name=op.f("pipelines_key_unique")),
    )
    op.create_index("pipelines_by_name", "pipelines", ["name", "id"], unique=False)
    op.create_index(
        "pipelines_one_default",
        "pipelines",
        ["is_default"],
        unique=True,
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.create_table(
        "price_lists",
        sa.Column("external_id", sa.String(length=200), nullable=True),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("valid_from", sa.Date(), nullable=False),
        sa.Column("valid_to", sa.Date(), nullable=True),
        sa.Column("team_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("segment", sa.String(length=100), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("price_lists_pkey")),
        sa.UniqueConstraint("external_id", name=op.f("price_lists_external_id_unique")),
    )
    op.create_index("price_lists_by_created_at", "price_lists", ["created_at", "id"], unique=False)
    op.create_index("price_lists_by_name", "price_lists", ["name", "id"], unique=False)
    op.create_table(
        "forecast_log",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("from_category", sa.String(length=10), nullable=False),
        sa.Column("to_category", sa.String(length=10), nullable=False),
        sa.Column("from_probability", sa.Integer(), nullable=False),
        sa.Column("to_probability", sa.Integer(), nullable=False),
        sa.Column(
            "from_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column(
            "to_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.Column("from_currency", sa.String(length=3), nullable=False),
        sa.Column("to_currency", sa.String(length=3), nullable=False),
        sa.Column("from_expected_close_on", sa.Date(), nullable=True),
        sa.Column("to_expected_close_on", sa.Date(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("actor", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.id"],
            name=op.f("forecast_log_opportunity_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("forecast_log_pkey")),
    )
    op.create_index(
        "forecast_log_by_changed_at", "forecast_log", ["changed_at", "id"], unique=False
    )
    op.create_index(
        "forecast_log_by_opportunity",
        "forecast_log",
        ["opportunity_id", "changed_at", "id"],
        unique=False,
    )
    op.create_table(
        "opportunity_competitors",
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("competitor_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("strengths", sa.String(length=2000), nullable=True),
        sa.Column("weaknesses", sa.String(length=2000), nullable=True),
        sa.Column("took_the_deal", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["competitor_id"],
            ["competitors.id"],
            name=op.f("opportunity_competitors_competitor_id_fkey"),
        ),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.id"],
            name=op.f("opportunity_competitors_opportunity_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "opportunity_id", "competitor_id", name=op.f("opportunity_competitors_pkey")
        ),
    )
    op.create_index(
        "opportunity_competitors_by_competitor",
        "opportunity_competitors",
        ["competitor_id", "opportunity_id"],
        unique=False,
    )
    op.create_table(
        "opportunity_lines",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("opportunity_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("price_list_id", sa.Uuid(as_uuid=False), nullable=True),
        sa.Column("description", sa.String(length=500), nullable=True),
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
            "total", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["opportunity_id"],
            ["opportunities.id"],
            name=op.f("opportunity_lines_opportunity_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("opportunity_lines_pkey")),
    )
    op.create_index(
        "opportunity_lines_in_order",
        "opportunity_lines",
        ["opportunity_id", "position"],
        unique=False,
    )
    op.create_table(
        "price_list_prices",
        sa.Column("id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("price_list_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column("product_id", sa.Uuid(as_uuid=False), nullable=False),
        sa.Column(
            "from_quantity",
            sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"),
            nullable=False,
        ),
        sa.Column(
            "unit_price", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=False
        ),
        sa.ForeignKeyConstraint(
            ["price_list_id"],
            ["price_lists.id"],
            name=op.f("price_list_prices_price_list_id_fkey"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["product_id"], ["products.id"], name=op.f("price_list_prices_product_id_fkey")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("price_list_prices_pkey")),
        sa.UniqueConstraint(
            "price_list_id",
            "product_id",
            "from_quantity",
            name=op.f("price_list_prices_price_list_id_product_id_from_quantity_unique"),
        ),
    )
    op.create_index(
        "price_list_prices_in_order", "price_list_prices", ["price_list_id", "id"], unique=False
    )
    op.add_column(
        "opportunities",
        sa.Column(
            "exchange_rate",
            sa.Numeric(18, 10).with_variant(sa.BigInteger(), "sqlite"),
            nullable=True,
        ),
    )
    op.add_column(
        "opportunities",
        sa.Column(
            "base_amount", sa.Numeric(18, 4).with_variant(sa.BigInteger(), "sqlite"), nullable=True
        ),
    )
    op.add_column("opportunities", sa.Column("base_currency", sa.String(length=3), nullable=True))
    op.add_column("opportunities", sa.Column("next_step", sa.String(length=200), nullable=True))
    op.add_column("opportunities", sa.Column("next_step_on", sa.Date(), nullable=True))
    op.add_column(
        "opportunities", sa.Column("forecast_override", sa.String(length=10), nullable=True)
    )
    op.create_index(
        "opportunities_by_next_step_on", "opportunities", ["next_step_on", "id"], unique=False
    )
    op.create_index(
        "opportunities_by_pipeline", "opportunities", ["pipeline", "created_at", "id"], unique=False
    )
    op.add_column("stage_log", sa.Column("pipeline", sa.String(length=64), nullable=True))
    op.add_column(
        "stages", sa.Column("active", sa.Boolean(), nullable=False, server_default=sa.true())
    )
    op.add_column(
        "stages",
        sa.Column(
            "required_fields",
            sa.JSON().with_variant(postgresql.JSONB(), "postgresql"),
            nullable=False,
            server_default=sa.text("'[]'"),
        ),
    )
    now = datetime.now(UTC)
    op.bulk_insert(
        pipelines,
        [
            {
                "id": _DEFAULT_PIPELINE_ID,
                "version": 1,
                "created_at": now,
                "updated_at": now,
                "key": "default",
                "name": "Default",
                "active": True,
                "is_default": True,
            }
        ],
    )


def downgrade() -> None:
    op.drop_column("stages", "required_fields")
    op.drop_column("stages", "active")
    op.drop_column("stage_log", "pipeline")
    op.drop_index("opportunities_by_pipeline", table_name="opportunities")
    op.drop_index("opportunities_by_next_step_on", table_name="opportunities")
    op.drop_column("opportunities", "forecast_override")
    op.drop_column("opportunities", "next_step_on")
    op.drop_column("opportunities", "next_step")
    op.drop_column("opportunities", "base_currency")
    op.drop_column("opportunities", "base_amount")
    op.drop_column("opportunities", "exchange_rate")
    op.drop_index("price_list_prices_in_order", table_name="price_list_prices")
    op.drop_table("price_list_prices")
    op.drop_index("opportunity_lines_in_order", table_name="opportunity_lines")
    op.drop_table("opportunity_lines")
    op.drop_index("opportunity_competitors_by_competitor", table_name="opportunity_competitors")
    op.drop_table("opportunity_competitors")
    op.drop_index("forecast_log_by_opportunity", table_name="forecast_log")
    op.drop_index("forecast_log_by_changed_at", table_name="forecast_log")
    op.drop_table("forecast_log")
    op.drop_index("price_lists_by_name", table_name="price_lists")
    op.drop_index("price_lists_by_created_at", table_name="price_lists")
    op.drop_table("price_lists")
    op.drop_index(
        "pipelines_one_default",
        table_name="pipelines",
        postgresql_where=sa.text("is_default"),
        sqlite_where=sa.text("is_default"),
    )
    op.drop_index("pipelines_by_name", table_name="pipelines")
    op.drop_table("pipelines")
    op.drop_table("lost_reasons")
    op.drop_index("exchange_rates_by_valid_from", table_name="exchange_rates")
    op.drop_table("exchange_rates")
    op.drop_table("discount_limits")
    op.drop_table("currency_settings")
    op.drop_index("competitors_by_created_at", table_name="competitors")
    op.drop_table("competitors")
