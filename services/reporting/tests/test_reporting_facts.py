"""Every figure opens to the facts behind it, and they add up to it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from random import Random
from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, event
from crm_reporting.kpis.definitions import FUNNELS, KPIS

DIVISIONS = [(name, by) for name, kpi in KPIS.items() for by in (None, *kpi.dimensions)]


@pytest.fixture
def told(anywhere: Harness, company: Any) -> Harness:
    """The service after a company's events."""
    made_up = company(Random(11), size=12)
    north, south = made_up.teams
    for team, parent in ((north, None), (south, north)):
        data = {"id": team, "name": team[:8], "parent_id": parent}
        anywhere.deliver(event("crm.gateway.team.created.v1", data))
    anywhere.deliver(*made_up.events())
    return anywhere


def _get(service: Harness, path: str, **query: Any) -> Any:
    given = {name: value for name, value in query.items() if value is not None}
    response = service.as_user().get(f"/v1/kpis/{path}", query_string=given)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


def _facts(service: Harness, name: str, limit: int = 50, **query: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor = None
    while True:
        page = _get(service, f"{name}/facts", limit=limit, cursor=cursor, **query)
        found += page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return found
        assert len(page["items"]) == limit


def _sum(facts: list[dict[str, Any]]) -> dict[str, Decimal]:
    total: Counter[str] = Counter()
    for fact in facts:
        for component, value in fact["components"].items():
            total[component] += Decimal(value)  # type: ignore[assignment]  # decimals add up too
    return {component: Decimal(value) for component, value in total.items() if value}


def _nonzero(components: Mapping[str, Any]) -> dict[str, Decimal]:
    return {name: Decimal(value) for name, value in components.items() if Decimal(value)}


def test_facts_add_up_to_every_figure(told: Harness) -> None:
    for name, by in DIVISIONS:
        currency = "EUR" if KPIS[name].has_currency else None
        query = {"by": by, "currency": currency}
        answer = _get(told, name, **query)
        for row in answer["rows"]:
            member = row["member"] and (row["member"]["id"] or "")
            facts = _facts(told, name, **query | {"by": answer["by"]}, member=member)
            assert _sum(facts) == _nonzero(row["components"]), (name, by, row)
            assert len({(fact["kind"], fact["id"]) for fact in facts}) == len(facts)


def test_facts_of_a_period_and_of_what_has_no_date(told: Harness) -> None:
    for name in ("won_count", "open_count", "leads", "tickets_opened", "time_in_stage"):
        for row in _get(told, name, grain="month", by="person")["rows"]:
            days = {"from": row["from"], "to": row["to"]} if row["period"] else {"undated": True}
            member = row["member"]["id"] or ""
            facts = _facts(told, name, by="person", member=member, **days)
            assert _sum(facts) == _nonzero(row["components"]), (name, row)


def test_facts_of_a_team_at_a_level(told: Harness) -> None:
    for level in (0, 1):
        for row in _get(told, "won_count", by="team", level=level)["rows"]:
            member = row["member"]["id"] or ""
            facts = _facts(told, "won_count", by="team", level=level, member=member)
            assert len(facts) == row["value"]


def test_the_steps_of_funnels_open_to_who_took_them(told: Harness) -> None:
    for name in FUNNELS:
        rows = _get(told, name)["rows"]
        assert rows
        for row in rows:
            assert len(_facts(told, name, step=row["step"]["id"])) == row["value"]


def test_facts_come_page_by_page_across_their_kinds(told: Harness) -> None:
    for number in range(3):
        won = {"id": new_id(), "amount": f"{number + 1}.00", "currency": "USD"}
        told.deliver(event("crm.sales.opportunity.won.v1", won))
    told.deliver(event("crm.sales.target.set.v1", {"id": new_id(), "currency": "USD"}))
    whole = _facts(told, "completion", currency="USD")
    assert {fact["kind"] for fact in whole} == {"opportunities", "targets"}
    for limit in (1, 2, len(whole)):
        assert _facts(told, "completion", limit=limit, currency="USD") == whole


def test_a_fact_says_what_it_is(told: Harness) -> None:
    fact = _facts(told, "won_count")[0]
    assert fact["kind"] == "opportunities"
    assert fact["name"]
    assert fact["day"]
    assert fact["components"] == {"won_count": 1}
