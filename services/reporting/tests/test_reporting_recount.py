"""The rollups against a recount: every sum made anew, the slow and simple way."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, create_engine, func, select

from crm_chassis.events import Event
from crm_reporting.projections.fold import Projection
from crm_reporting.projections.tables import STANDING, metadata

Sums = dict[tuple[str, ...], dict[str, int]]


class Recount:
    """Sums over the newest states in a log of events."""

    def __init__(self, events: list[Event]) -> None:
        self.events = events
        self.newest: dict[str, dict[str, Event]] = defaultdict(dict)
        for event in events:
            states = self.newest[event.type.split(".")[2]]
            if event.sequence >= states.get(event.subject, event).sequence:
                states[event.subject] = event

    def states(self, kind: str) -> Iterator[dict[str, Any]]:
        return (event.data for event in self.newest[kind].values())

    def attribute(self, of: dict[str, Any], name: str) -> str:
        account = self.newest["account"].get(of["account_id"])
        return (account and account.data[name]) or ""

    def deals(self, day: str, stage_types: tuple[str, ...], grains: tuple[str, ...]) -> Sums:
        sums: Sums = defaultdict(lambda: defaultdict(int))
        for deal in self.states("opportunity"):
            if deal["stage_type"] not in stage_types:
                continue
            for key in self._keys(deal, deal[day], deal["currency"], grains):
                self._count(sums[key], deal)
        return sums

    def _count(self, sums: dict[str, int], deal: dict[str, Any]) -> None:
        amount = int(Decimal(deal["amount"] or 0) * 10_000)
        kind = deal["stage_type"]
        if kind == "open":
            sums["count"] += 1
            sums["value"] += amount
            sums["weighted"] += int(
                (Decimal(amount) * deal["probability"] / 100).to_integral("ROUND_HALF_UP")
            )
            sums["quantity"] += deal["quantity"] or 0
            return
        sums[f"{kind}_count"] += 1
        if deal["opened_on"]:
            took = date.fromisoformat(deal["closed_on"]) - date.fromisoformat(deal["opened_on"])
            sums[f"{kind}_days"] += took.days
            sums[f"{kind}_timed"] += 1
        if kind == "won":
            sums["won_value"] += amount
            sums["won_priced"] += deal["amount"] is not None
            sums["won_quantity"] += deal["quantity"] or 0

    def _keys(
        self, row: dict[str, Any], day: str | None, currency: str, grains: tuple[str, ...]
    ) -> Iterator[tuple[str, ...]]:
        members = {
            "all": ("", ""),
            "person": (row["owner_id"] or "", row["team_id"] or ""),
            "industry": (self.attribute(row, "industry"), ""),
            "region": (self.attribute(row, "region"), ""),
            "product": (row["product_id"] or "", ""),
            "account": (row["account_id"] or "", ""),
            "source": (row["source"] or "", ""),
            "campaign": (row["campaign_id"] or "", ""),
        }
        if row["stage_type"] == "open":
            members["stage"] = (f"{row['pipeline']}/{row['stage']}", "")
        on = day or "0001-01-01"
        for grain in grains:
            first = on if grain == "day" else f"{on[:7]}-01"
            for dimension, (member, team) in members.items():
                yield dimension, grain, first, member, team, currency

    def money(self) -> dict[str, dict[str, int]]:
        """What was ordered, given back and received, by rollup and currency."""
        told: dict[str, dict[str, int]] = {
            name: defaultdict(int)
            for name in ("rollup_orders", "rollup_returns", "rollup_receipts")
        }
        for order in self.states("order"):
            if order["status"] != "cancelled":
                told["rollup_orders"][order["currency"]] += _units(order["total"])
        for event in self.events:
            if event.type == "crm.sales.order.returned.v1":
                amount = _units(event.data["change"]["amount"])
                told["rollup_returns"][event.data["currency"]] += amount
        for receipt in self.states("receipt"):
            if receipt["status"] == "recorded":
                told["rollup_receipts"][receipt["currency"]] += _units(receipt["amount"])
        return told

    def requests(self) -> dict[str, int]:
        """What customers asked for, what of it was delivered, and how long that took."""
        requests = list(self.states("request"))
        delivered = [request for request in requests if request["delivered_on"]]
        return {
            "opened": len(requests),
            "delivered": len(delivered),
            "seconds": sum(request["seconds_to_delivery"] for request in delivered),
        }

    def funnel(self) -> dict[str, int]:
        """Leads that ever took each step."""
        status = {"qualified": 2, "converted": 3}
        steps = dict.fromkeys(self.newest["lead"], 1)
        for event in self.events:
            kind, data = event.type.split(".")[2], event.data
            if kind == "lead":
                step = 3 if data["opportunity_id"] else status.get(data["status"], 1)
                steps[event.subject] = max(steps[event.subject], step)
            elif kind == "opportunity" and data["lead_id"] in steps:
                step = 4 if data["stage_type"] == "won" else 3
                steps[data["lead_id"]] = max(steps[data["lead_id"]], step)
        names = ("leads", "prospects", "opportunities", "won")
        return {
            name: sum(step >= least for step in steps.values())
            for least, name in enumerate(names, start=1)
        }


def _units(amount: str) -> int:
    return int(Decimal(amount) * 10_000)


def _total(connection: Connection, name: str) -> dict[str, int]:
    """The standing total of a rollup's amounts in every dimension, by currency."""
    table = STANDING[name]
    found: dict[str, set[tuple[tuple[str, int], ...]]] = defaultdict(set)
    dimensions = connection.scalars(select(table.c.dimension).distinct()).all()
    for dimension in dimensions:
        for grain in ("day", "month"):
            rows = connection.execute(
                select(table.c.currency, func.sum(table.c.value))
                .where(table.c.dimension == dimension, table.c.grain == grain)
                .group_by(table.c.currency)
                .order_by(table.c.currency)
            )
            found[name].add(tuple((currency, int(value)) for currency, value in rows))
    (total,) = found[name] or {()}
    return dict(total)


def _requests(connection: Connection) -> dict[str, int]:
    opened, delivered = (
        STANDING[name].c for name in ("rollup_requests", "rollup_delivered_requests")
    )
    sums = [
        (opened, func.sum(opened.count)),
        (delivered, func.sum(delivered.timed)),
        (delivered, func.sum(delivered.seconds)),
    ]
    found = [
        int(connection.scalar(select(total).where(of.dimension == "all", of.grain == "day")) or 0)
        for of, total in sums
    ]
    return dict(zip(("opened", "delivered", "seconds"), found, strict=True))


def stored(connection: Connection, name: str) -> Sums:
    table = STANDING[name]
    measures = [column.name for column in table.c if not column.primary_key]
    return {
        tuple(str(value) for value in row[:6]): {
            measure: value for measure, value in zip(measures, row[6:], strict=True) if value
        }
        for row in connection.execute(select(table))
    }


@pytest.mark.parametrize("seed", range(8))
def test_rollups_are_what_a_recount_gives(seed: int, company: Any) -> None:
    events = company(Random(seed), size=10).events()
    expected = Recount(events)
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    projection = Projection(ZoneInfo("UTC"))
    with engine.begin() as connection:
        for start in range(0, len(events), 7):
            projection.fold(connection, events[start : start + 7])
        closed = expected.deals("closed_on", ("won", "lost"), ("day", "month"))
        opened = expected.deals("expected_close_on", ("open",), ("month",))
        assert stored(connection, "rollup_closed_deals") == _nonzero(closed)
        assert stored(connection, "rollup_open_deals") == _nonzero(opened)
        for name, recounted in expected.money().items():
            assert _total(connection, name) == recounted
        assert _requests(connection) == expected.requests()
        leads = STANDING["rollup_leads"]
        total = select(leads).where(leads.c.dimension == "all", leads.c.grain == "month")
        for step, count in expected.funnel().items():
            assert sum(row[step] for row in connection.execute(total).mappings()) == count


def _nonzero(sums: Sums) -> Sums:
    return {key: {name: value for name, value in row.items() if value} for key, row in sums.items()}
