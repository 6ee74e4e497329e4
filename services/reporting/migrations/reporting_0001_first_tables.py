"""First tables: states, facts, rollups, and the jobs that rebuild them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "reporting_0001"
down_revision = None
branch_labels = ("reporting",)
depends_on = None


def upgrade() -> None:
    _states()
    _facts()
    _rollups()
    _jobs()


def _id(name: str) -> sa.Column:
    return sa.Column(name, sa.Uuid(as_uuid=False))


def _text(name: str, length: int = 200) -> sa.Column:
    return sa.Column(name, sa.String(length))


def _days(*names: str) -> list[sa.Column]:
    return [sa.Column(name, sa.Date()) for name in names]


def _numbers(*names: str, nullable: bool = True) -> list[sa.Column]:
    return [sa.Column(name, sa.BigInteger(), nullable=nullable) for name in names]


def _state(name: str, *columns: sa.Column, by_day: tuple[str, ...] = ()) -> None:
    op.create_table(
        name,
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("sequence", sa.BigInteger(), server_default="0", nullable=False),
        *columns,
    )
    for day in by_day:
        op.create_index(f"{name}_{day}", name, [day, "id"])


def _states() -> None:
    _state(
        "opportunities",
        _text("name"),
        _id("account_id"),
        _id("product_id"),
        _id("lead_id"),
        _id("campaign_id"),
        _text("source"),
        _id("owner_id"),
        _id("team_id"),
        _text("pipeline"),
        _text("stage"),
        _text("stage_type", 10),
        sa.Column("probability", sa.Integer()),
        *_numbers("amount"),
        _text("currency", 3),
        *_numbers("quantity"),
        *_days("opened_on", "expected_close_on", "closed_on"),
        sa.Column("furthest_stage", sa.String(200), server_default="", nullable=False),
        by_day=("closed_on", "opened_on", "expected_close_on"),
    )
    _state(
        "leads",
        _text("company"),
        _text("status", 20),
        _text("source"),
        _id("campaign_id"),
        _text("industry"),
        _text("region"),
        _id("owner_id"),
        _id("team_id"),
        *_days("created_on"),
        sa.Column("step", sa.Integer(), server_default="0", nullable=False),
        by_day=("created_on",),
    )
    _state(
        "accounts",
        _text("name"),
        _text("industry"),
        _text("region"),
        _text("level", 10),
        _text("source"),
        _id("owner_id"),
        _id("team_id"),
        *_days("created_on"),
        by_day=("created_on",),
    )
    _state(
        "tickets",
        _text("number", 40),
        _text("type", 20),
        _text("priority", 20),
        _text("channel", 100),
        _text("status", 20),
        _id("account_id"),
        _id("assignee_id"),
        _id("team_id"),
        *_days("opened_on", "resolved_on"),
        *_numbers("resolution_seconds"),
        by_day=("opened_on", "resolved_on"),
    )
    _state(
        "campaigns",
        _text("name"),
        _text("channel", 100),
        _text("status", 20),
        *_numbers("budget", "actual_cost"),
        _text("currency", 3),
        _id("owner_id"),
        _id("team_id"),
        *_days("starts_on"),
        by_day=("starts_on",),
    )
    _state(
        "targets",
        _text("scope", 10),
        _id("member_id"),
        *_days("month"),
        *_numbers("amount"),
        _text("currency", 3),
        *_numbers("quantity"),
        by_day=("month",),
    )
    _state(
        "products",
        _text("name"),
        _text("series"),
        *_numbers("list_price"),
        _text("currency", 3),
        sa.Column("active", sa.Boolean()),
    )


def _facts() -> None:
    for name, of, state in (
        ("stage_moves", "opportunity_id", "stage"),
        ("lead_moves", "lead_id", "status"),
    ):
        op.create_table(
            name,
            sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
            sa.Column(of, sa.Uuid(as_uuid=False), nullable=False),
            sa.Column(f"from_{state}", sa.String(200), nullable=False),
            sa.Column(f"to_{state}", sa.String(200), nullable=False),
            *_numbers("seconds", nullable=False),
            sa.Column("moved_on", sa.Date(), nullable=False),
            _id("owner_id"),
            _id("team_id"),
        )
        op.create_index(f"{name}_moved_on", name, ["moved_on", "id"])
    op.create_table(
        "pipeline_stages",
        sa.Column("pipeline", sa.String(64), primary_key=True),
        sa.Column("stage", sa.String(64), primary_key=True),
        sa.Column("stage_order", sa.Integer(), primary_key=True),
        sa.Column("stage_type", sa.String(10), primary_key=True),
    )


_ROLLUPS = {
    "rollup_closed_deals": (
        "won_count",
        "won_value",
        "won_priced",
        "won_quantity",
        "won_days",
        "won_timed",
        "lost_count",
        "lost_days",
        "lost_timed",
    ),
    "rollup_open_deals": ("count", "value", "weighted", "quantity"),
    "rollup_deal_stages": ("count",),
    "rollup_stage_times": ("count", "seconds"),
    "rollup_status_times": ("count", "seconds"),
    "rollup_leads": ("leads", "prospects", "opportunities", "won"),
    "rollup_customers": ("count",),
    "rollup_opened_tickets": ("count",),
    "rollup_resolved_tickets": ("count", "seconds", "timed"),
    "rollup_campaigns": ("count", "budget", "cost"),
}
_OF_ACCOUNTS = {
    "rollup_closed_deals": "day",
    "rollup_open_deals": "month",
    "rollup_opened_tickets": "day",
    "rollup_resolved_tickets": "day",
}


def _key(name: str, length: int) -> sa.Column:
    bytewise = sa.String(length, collation="C")
    return sa.Column(name, sa.String(length).with_variant(bytewise, "postgresql"), primary_key=True)


def _rollups() -> None:
    for name, measures in _ROLLUPS.items():
        op.create_table(
            name,
            _key("dimension", 20),
            _key("grain", 5),
            sa.Column("day", sa.Date(), primary_key=True),
            _key("member", 200),
            _key("team", 36),
            _key("currency", 3),
            *_numbers(*measures, nullable=False),
        )
    for name, grain in _OF_ACCOUNTS.items():
        of_accounts = sa.text(f"dimension = 'account' AND grain = '{grain}'")
        op.create_index(
            f"{name}_account",
            name,
            ["member"],
            postgresql_where=of_accounts,
            sqlite_where=of_accounts,
        )


def _jobs() -> None:
    op.create_table(
        "projection_jobs",
        sa.Column("id", sa.Uuid(as_uuid=False), primary_key=True),
        sa.Column("kind", sa.String(10), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("requested_by", sa.String(64), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True)),
        sa.Column("events", sa.Integer()),
        sa.Column("differences", sa.Integer()),
        sa.Column("examples", sa.JSON().with_variant(postgresql.JSONB(), "postgresql")),
        sa.Column("detail", sa.Text()),
    )
    op.create_index("projection_jobs_state", "projection_jobs", ["state", "id"])
