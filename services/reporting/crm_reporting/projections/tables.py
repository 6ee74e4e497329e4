"""The tables of the projections, and shadows of them for a rebuild.

Amounts are whole ten-thousandths of their currency, so that every sum is exact and the same on
every database.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
    quoted_name,
    text,
)

from crm_reporting.projections.rollups import ACCOUNT, ROLLUPS, Rollup

metadata = MetaData()


def _id(name: str) -> Column[Any]:
    return Column(name, Uuid(as_uuid=False))


def _text(name: str, length: int = 200) -> Column[Any]:
    return Column(name, String(length))


def _state(name: str, *columns: Column[Any] | Index) -> Table:
    """A table with a row for each aggregate: its newest state by ``sequence``.

    Sequence 0 is an aggregate that another one names and that has not been heard of itself.
    """
    return Table(
        name,
        metadata,
        Column("id", Uuid(as_uuid=False), primary_key=True),
        Column("sequence", BigInteger, nullable=False, server_default="0"),
        *columns,
    )


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
    Column("probability", Integer),
    Column("amount", BigInteger),
    _text("currency", 3),
    Column("quantity", BigInteger),
    Column("opened_on", Date),
    Column("expected_close_on", Date),
    Column("closed_on", Date),
    Column("furthest_stage", String(200), nullable=False, server_default=""),
    Index("opportunities_closed_on", "closed_on", "id"),
    Index("opportunities_opened_on", "opened_on", "id"),
    Index("opportunities_expected_close_on", "expected_close_on", "id"),
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
    Column("created_on", Date),
    Column("step", Integer, nullable=False, server_default="0"),
    Index("leads_created_on", "created_on", "id"),
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
    Column("created_on", Date),
    Index("accounts_created_on", "created_on", "id"),
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
    Column("opened_on", Date),
    Column("resolved_on", Date),
    Column("resolution_seconds", BigInteger),
    Index("tickets_opened_on", "opened_on", "id"),
    Index("tickets_resolved_on", "resolved_on", "id"),
)
_state(
    "campaigns",
    _text("name"),
    _text("channel", 100),
    _text("status", 20),
    Column("budget", BigInteger),
    Column("actual_cost", BigInteger),
    _text("currency", 3),
    _id("owner_id"),
    _id("team_id"),
    Column("starts_on", Date),
    Index("campaigns_starts_on", "starts_on", "id"),
)
_state(
    "orders",
    _text("number", 40),
    _id("account_id"),
    _id("campaign_id"),
    _id("owner_id"),
    _id("team_id"),
    _text("status", 10),
    _text("currency", 3),
    Column("total", BigInteger),
    Column("placed_on", Date),
    Index("orders_placed_on", "placed_on", "id"),
)
_state(
    "receipts",
    _id("account_id"),
    _id("owner_id"),
    _id("team_id"),
    _text("status", 10),
    _text("currency", 3),
    Column("amount", BigInteger),
    Column("received_on", Date),
    _text("method", 100),
    Index("receipts_received_on", "received_on", "id"),
)
_state(
    "interactions",
    _text("kind", 20),
    _text("direction", 10),
    _id("account_id"),
    _id("owner_id"),
    _id("team_id"),
    Column("occurred_on", Date),
    Index("interactions_occurred_on", "occurred_on", "id"),
)
_state(
    "life_cycles",
    _text("customer_type", 10),
    _text("stage", 20),
    _id("owner_id"),
    _id("team_id"),
    Column("entered_on", Date),
    Index("life_cycles_entered_on", "entered_on", "id"),
)
_state(
    "requests",
    _id("account_id"),
    _id("product_id"),
    _id("owner_id"),
    _id("team_id"),
    Column("opened_on", Date),
    Column("delivered_on", Date),
    Column("seconds_to_delivery", BigInteger),
    Index("requests_opened_on", "opened_on", "id"),
    Index("requests_delivered_on", "delivered_on", "id"),
)
_state(
    "targets",
    _text("scope", 10),
    Column("measure", String(10), nullable=False, server_default="sales"),
    _id("member_id"),
    Column("month", Date),
    Column("amount", BigInteger),
    _text("currency", 3),
    Column("quantity", BigInteger),
    Index("targets_month", "month", "id"),
)
_state(
    "products",
    _text("name"),
    _text("series"),
    Column("list_price", BigInteger),
    _text("currency", 3),
    Column("active", Boolean),
)
_state(
    "pipelines",
    _text("key", 64),
    Column("stages", Text),
)


def _moves(name: str, of: str, state: str) -> Table:
    """Facts, one an event: something left a state after so many seconds."""
    return Table(
        name,
        metadata,
        Column("id", Uuid(as_uuid=False), primary_key=True),
        Column(of, Uuid(as_uuid=False), nullable=False),
        Column(f"from_{state}", String(200), nullable=False),
        Column(f"to_{state}", String(200), nullable=False),
        Column("seconds", BigInteger, nullable=False),
        Column("moved_on", Date, nullable=False),
        _id("owner_id"),
        _id("team_id"),
        Index(f"{name}_moved_on", "moved_on", "id"),
    )


_moves("stage_moves", "opportunity_id", "stage")
_moves("lead_moves", "lead_id", "status")

Table(
    "order_returns",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("order_id", Uuid(as_uuid=False), nullable=False),
    Column("amount", BigInteger, nullable=False),
    _text("currency", 3),
    Column("returned_on", Date, nullable=False),
    _id("owner_id"),
    _id("team_id"),
    Index("order_returns_returned_on", "returned_on", "id"),
)

Table(
    "pipeline_stages",
    metadata,
    Column("pipeline", String(64), primary_key=True),
    Column("stage", String(64), primary_key=True),
    Column("stage_order", Integer, primary_key=True),
    Column("stage_type", String(10), primary_key=True),
)


def _key(length: int) -> String:
    """Text that is compared byte by byte, whatever the database's language: that is faster."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


def _rollup_table(rollup: Rollup) -> Table:
    """Sums by day, and by month (``day`` is then its first); a query adds up the fewest it can."""
    columns: list[Column[Any] | Index] = [
        Column("dimension", _key(20), primary_key=True),
        Column("grain", _key(5), primary_key=True),
        Column("day", Date, primary_key=True),
        Column("member", _key(200), primary_key=True),
        Column("team", _key(36), primary_key=True),
        Column("currency", _key(3), primary_key=True),
    ]
    columns += [Column(measure, BigInteger, nullable=False) for measure in rollup.measures]
    if rollup.through_account:
        of_accounts = text(f"dimension = '{ACCOUNT}' AND grain = '{rollup.grains[0]}'")
        columns.append(
            Index(
                f"{rollup.name}_account",
                "member",
                postgresql_where=of_accounts,
                sqlite_where=of_accounts,
            )
        )
    return Table(rollup.name, metadata, *columns)


for _rollup in ROLLUPS:
    _rollup_table(_rollup)

Tables = Mapping[str, Table]
"""One whole set of the projections' tables, by the names they have when they stand."""

STANDING: Tables = dict(metadata.tables)


@cache
def shadow(prefix: str) -> Tables:
    """A second set of the tables, empty until it is filled; its names begin with ``prefix``."""
    copies = MetaData()
    tables = {
        name: table.to_metadata(copies, name=f"{prefix}{name}") for name, table in STANDING.items()
    }
    for table in tables.values():
        for index in table.indexes:
            index.name = quoted_name(f"{prefix}{index.name}", quote=None)
    return tables
