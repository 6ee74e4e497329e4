"""An aggregate's public state, as events carry it -> the columns of its row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import orjson

from crm_chassis.database import MONEY_PLACES

Fields = Mapping[str, Any]
_TEN_THOUSANDTHS = Decimal(10) ** MONEY_PLACES

_CARRIED: Mapping[str, Sequence[str]] = {
    "opportunities": (
        "name",
        "account_id",
        "product_id",
        "lead_id",
        "campaign_id",
        "source",
        "owner_id",
        "team_id",
        "pipeline",
        "stage_type",
        "probability",
        "amount",
        "currency",
        "quantity",
        "opened_on",
        "expected_close_on",
        "closed_on",
    ),
    "leads": (
        "company",
        "status",
        "source",
        "campaign_id",
        "industry",
        "region",
        "owner_id",
        "team_id",
        "created_on",
    ),
    "accounts": (
        "name",
        "industry",
        "region",
        "level",
        "source",
        "owner_id",
        "team_id",
        "created_on",
    ),
    "tickets": (
        "number",
        "type",
        "priority",
        "channel",
        "status",
        "account_id",
        "assignee_id",
        "team_id",
        "opened_on",
        "resolved_on",
    ),
    "campaigns": (
        "name",
        "channel",
        "status",
        "budget",
        "actual_cost",
        "currency",
        "owner_id",
        "team_id",
        "starts_on",
    ),
    "orders": (
        "number",
        "account_id",
        "campaign_id",
        "owner_id",
        "team_id",
        "status",
        "currency",
        "total",
        "placed_on",
    ),
    "receipts": (
        "account_id",
        "owner_id",
        "team_id",
        "status",
        "currency",
        "amount",
        "received_on",
        "method",
    ),
    "interactions": (
        "kind",
        "direction",
        "account_id",
        "owner_id",
        "team_id",
        "occurred_on",
    ),
    "life_cycles": ("customer_type", "stage", "owner_id", "team_id", "entered_on"),
    "requests": (
        "account_id",
        "product_id",
        "owner_id",
        "team_id",
        "opened_on",
        "delivered_on",
        "seconds_to_delivery",
    ),
    "targets": ("scope", "member_id", "amount", "currency", "quantity"),
    "products": ("name", "series", "list_price", "currency", "active"),
    "pipelines": ("key",),
}
"""Table to the fields that its columns have the names of."""

_DAYS = (
    "opened_on",
    "closed_on",
    "expected_close_on",
    "created_on",
    "resolved_on",
    "starts_on",
    "placed_on",
    "received_on",
    "occurred_on",
    "entered_on",
    "delivered_on",
)
_AMOUNTS = ("amount", "budget", "actual_cost", "list_price", "total")


def ten_thousandths(amount: str) -> int:
    """A decimal string in the unit of the projections' amounts."""
    return int(Decimal(amount) * _TEN_THOUSANDTHS)


_CONVERSIONS: Mapping[str, Callable[[str], Any]] = {
    **dict.fromkeys(_DAYS, date.fromisoformat),
    **dict.fromkeys(_AMOUNTS, ten_thousandths),
}


def stage_key(pipeline: str, stage: str) -> str:
    """A stage's name across pipelines."""
    return f"{pipeline}/{stage}"


def _resolution_seconds(ticket: Fields) -> int | None:
    if ticket["resolved_at"] is None:
        return None
    took = datetime.fromisoformat(ticket["resolved_at"]) - datetime.fromisoformat(
        ticket["opened_at"]
    )
    return int(took.total_seconds())


def _places(pipeline: Fields) -> list[tuple[int, str, str]]:
    """Place, key and type of each stage of a pipeline."""
    return [(stage["position"], stage["key"], stage["type"]) for stage in pipeline["stages"]]


_DERIVED: Mapping[str, Mapping[str, Callable[[Fields], Any]]] = {
    "pipelines": {"stages": lambda pipeline: orjson.dumps(_places(pipeline)).decode()},
    "opportunities": {"stage": lambda deal: stage_key(deal["pipeline"], deal["stage"])},
    "tickets": {"resolution_seconds": _resolution_seconds},
    "targets": {
        "month": lambda target: date.fromisoformat(f"{target['month']}-01"),
        # The first version of the event knows sales alone.
        "measure": lambda target: target.get("measure", "sales"),
    },
}


def columns_of(table: str, data: Fields) -> dict[str, Any]:
    """The columns of ``table`` that an event's ``data`` fills.

    An event that was archived before its contract got a field has none of it.
    """
    columns = {name: data.get(name) for name in _CARRIED[table]}
    for name in _CONVERTED[table]:
        if (value := columns[name]) is not None:
            columns[name] = _CONVERSIONS[name](value)
    for name, derive in _DERIVED.get(table, {}).items():
        columns[name] = derive(data)
    return columns


_CONVERTED = {
    table: [name for name in names if name in _CONVERSIONS] for table, names in _CARRIED.items()
}
