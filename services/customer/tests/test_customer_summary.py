"""How all customers behave together."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event
from crm_chassis.testing_servers import PostgresServer
from crm_customer.app import create_app


@pytest.fixture(params=["sqlite", "postgresql"])
def customer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database("customer")
    harness = Harness(create_app, "customer", tmp_path, url)
    yield harness
    harness.close()


def order(account_id: str, day: str, total: str, **more: Any) -> Event:
    data = {
        "id": new_id(),
        "account_id": account_id,
        "contact_id": None,
        "campaign_id": None,
        "status": "placed",
        "currency": "EUR",
        "total": total,
        "returned_amount": "0.00",
        "placed_on": day,
        "placed_at": f"{day}T08:00:00Z",
        "lines": [],
        **more,
    }
    return event("crm.sales.order.placed.v1", data, sequence=1)


def account(customer: Harness, name: str, **more: Any) -> str:
    return customer.as_user(**more).post("/v1/accounts", json={"name": name}).json["id"]


def summary(customer: Harness, query: str = "", **more: Any) -> dict[str, Any]:
    response = customer.as_user(**more).get(f"/v1/behaviour/summary{query}")
    assert response.status_code == 200, response.json
    return {item.pop("customer_type"): item for item in response.json["items"]}


def test_gaps_are_pooled_and_repeat_customers_bought_on_two_days(customer: Harness) -> None:
    often, once, twice_a_day = (account(customer, name) for name in ("Acme", "Borealis", "Cumulus"))
    account(customer, "Never ordered")
    customer.deliver(
        order(often, "1997-01-01", "0.10"),
        order(often, "1997-01-11", "0.20"),
        order(often, "1997-03-02", "0.00"),
        order(once, "1998-06-30", "11.77"),
        order(twice_a_day, "1998-01-01", "1.00"),
        order(twice_a_day, "1998-01-01", "1.00", returned_amount="0.50"),
        order(twice_a_day, "1998-02-01", "9.00", status="cancelled"),
        order(twice_a_day, "1998-01-05", "5.00", currency="USD"),
    )
    found = summary(customer)
    assert found["account"] == {
        "customers": 3,
        "repeat_customers": 2,
        "repeat_rate": pytest.approx(2 / 3),
        "orders": 7,
        "order_days": 6,
        "mean_gap_days": pytest.approx((60 + 4) / 3),
        "mean_cycle_days": pytest.approx((30 + 4) / 2),
        "spend": {"EUR": "13.57", "USD": "5.00"},
    }
    assert found["contact"] == {
        "customers": 0,
        "repeat_customers": 0,
        "repeat_rate": None,
        "orders": 0,
        "order_days": 0,
        "mean_gap_days": None,
        "mean_cycle_days": None,
        "spend": {},
    }
    assert summary(customer, "?currency=USD")["account"]["customers"] == 0


def test_only_customers_in_sight_count(customer: Harness) -> None:
    grants = {
        "customer.accounts.read": "own",
        "customer.accounts.write": "own",
        "customer.overview.behaviour": "own",
    }
    me, other = new_id(), new_id()
    mine = account(customer, "Mine", user_id=me, grants=grants)
    theirs = account(customer, "Theirs", user_id=other, grants=grants)
    customer.deliver(order(mine, "1997-01-01", "1.00"), order(theirs, "1997-01-01", "2.00"))
    found = summary(customer, user_id=me, grants=grants)
    assert found.keys() == {"account"}
    assert found["account"]["spend"] == {"EUR": "1.00"}
    del grants["customer.overview.behaviour"]
    refused = customer.as_user(user_id=me, grants=grants).get("/v1/behaviour/summary")
    assert refused.status_code == 403
