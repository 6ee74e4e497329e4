"""Own, team, subtree, all: whose figures somebody sees."""

from __future__ import annotations

from typing import Any

import pytest

from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event

PERMISSION = "reporting.kpis.read"
ANN, BO, CHEN = (new_id() for _ in range(3))
REGION, OFFICE, OTHER = (new_id() for _ in range(3))


@pytest.fixture
def service(reporting: Harness) -> Harness:
    """Three deals: Ann's in the office of the region, Bo's in the region, Chen's elsewhere."""
    for team, parent in ((REGION, None), (OFFICE, REGION), (OTHER, None)):
        data = {"id": team, "name": "A team", "parent_id": parent}
        reporting.deliver(event("crm.gateway.team.created.v1", data))
    for owner, team, amount in ((ANN, OFFICE, "1"), (BO, REGION, "10"), (CHEN, OTHER, "100")):
        deal = {"id": new_id(), "owner_id": owner, "team_id": team, "amount": amount}
        target = {"id": new_id(), "scope": "person", "member_id": owner, "month": "2026-10"}
        reporting.deliver(
            event("crm.gateway.user.created.v1", {"id": owner, "name": "X", "team_id": team}),
            event("crm.sales.opportunity.won.v1", deal),
            event("crm.sales.target.set.v1", target | {"amount": amount, "currency": "USD"}),
        )
    return reporting


def caller(service: Harness, scope: Scope) -> Caller:
    """Bo, who is in the region, with this scope."""
    return service.as_user({PERMISSION: scope}, team=REGION, user_id=BO)


def answer(who: Caller, path: str, **query: Any) -> Any:
    response = who.get(f"/v1/kpis/{path}", query_string=query)
    assert response.status_code == 200, response.get_data(as_text=True)
    return response.json


@pytest.mark.parametrize(
    ("scope", "sales"),
    [("own", "10.00"), ("team", "10.00"), ("subtree", "11.00"), ("all", "111.00")],
)
def test_each_scope_sees_its_own_figures_and_facts(
    service: Harness, scope: Scope, sales: str
) -> None:
    who = caller(service, scope)
    for by in ({}, {"by": "person"}, {"by": "team"}, {"by": "team", "level": 0}):
        assert answer(who, "sales", **by)["total"]["value"] == sales
        assert answer(who, "target", **by)["total"]["value"] == sales
        amounts = [
            float(fact["components"]["won_value"])
            for fact in answer(who, "sales/facts", **by)["items"]
        ]
        assert sum(amounts) == float(sales)


def test_what_is_not_by_person_or_team_needs_everything(service: Harness) -> None:
    who = caller(service, "subtree")
    for path in ("sales?by=product", "campaign_roi", "stage_funnel", "sales/facts?by=account"):
        assert who.get(f"/v1/kpis/{path}").status_code == 403
    assert who.get("/v1/reports/sales").status_code == 200
    funnel = who.get("/v1/reports/funnel")
    assert [step["count"] for step in funnel.json["steps"]] == [0, 0, 0, 0]
    assert funnel.json["stages"] == []


def test_without_the_permission_nothing_is_seen(service: Harness) -> None:
    assert service.as_user({}).get("/v1/kpis/sales").status_code == 403
    assert service.anonymous().get("/v1/kpis/sales").status_code == 401
