"""From potential to repeat customer and lapsed, as orders, deals and the clock have it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Harness, event
from crm_customer.app import DEFINITION
from crm_customer.lifecycle.models import LifecycleMove
from crm_customer.lifecycle.stages import STAGES, History

MOVED = "crm.customer.lifecycle.moved.v1"
START = date(2026, 1, 1)
TODAY = utc_now().date()


def day(number: int) -> date:
    return START + timedelta(days=number)


def way(
    deals: list[tuple[int, int | None]], orders: list[int], today: int = 1000
) -> list[tuple[int, str]]:
    """The stages and the days on which they began, for days counted from the first one."""
    spans = [(day(opened), None if lost is None else day(lost)) for opened, lost in deals]
    order_days = {day(number): orders.count(number) for number in orders}
    moves = History(START, spans, order_days).moves(365, day(today))
    return [((move.on - START).days, move.to_stage) for move in moves]


@pytest.mark.parametrize(
    ("deals", "orders", "expected"),
    [
        ([], [], []),
        ([(5, None)], [], [(5, "intent")]),
        ([(5, 9)], [], [(5, "intent"), (9, "potential")]),
        ([(5, 9), (7, 20), (30, None)], [], [(5, "intent"), (20, "potential"), (30, "intent")]),
        ([(5, 9), (9, 12)], [], [(5, "intent"), (12, "potential")]),
        ([(5, 5)], [], []),
        ([(5, None)], [8], [(5, "intent"), (8, "customer"), (374, "lapsed")]),
        ([(5, 9)], [9], [(5, "intent"), (9, "customer"), (375, "lapsed")]),
        ([(9, None)], [8], [(8, "customer"), (374, "lapsed")]),
        ([], [8, 9], [(8, "customer"), (9, "repeat"), (375, "lapsed")]),
        ([], [8, 8], [(8, "customer"), (8, "repeat"), (374, "lapsed")]),
        ([], [700], [(700, "customer")]),
        ([], [1, 400], [(1, "customer"), (367, "lapsed"), (400, "repeat"), (766, "lapsed")]),
        ([], [1, 366], [(1, "customer"), (366, "repeat"), (732, "lapsed")]),
        ([], [1, 367], [(1, "customer"), (367, "repeat"), (733, "lapsed")]),
        ([(-9, None)], [-3], [(-9, "intent"), (-3, "customer"), (363, "lapsed")]),
    ],
)
def test_a_way_through_the_stages(
    deals: list[tuple[int, int | None]], orders: list[int], expected: list[tuple[int, str]]
) -> None:
    assert way(deals, orders) == expected


@given(
    st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900) | st.none()), max_size=6),
    st.lists(st.integers(0, 900), max_size=6),
    st.integers(0, 1500),
)
def test_each_stage_begins_where_the_one_before_ends(
    deals: list[tuple[int, int | None]], orders: list[int], today: int
) -> None:
    spans = [(day(opened), None if lost is None else day(lost)) for opened, lost in deals]
    order_days = {day(number): orders.count(number) for number in orders}
    moves = History(START, spans, order_days).moves(365, day(today))
    stages = ["potential", *(move.to_stage for move in moves)]
    assert [move.from_stage for move in moves] == stages[:-1]
    assert set(stages) <= set(STAGES)
    assert [move.on for move in moves] == sorted(move.on for move in moves)
    since = [min([START, *(move.on for move in moves)]), *(move.on for move in moves)]
    assert [move.seconds_in_stage for move in moves] == [
        (after - before).days * 86_400 for before, after in pairwise(since)
    ]


def order(account_id: str, on: date, verb: str = "placed", **values: Any) -> Event:
    data = {
        "id": new_id(),
        "account_id": account_id,
        "contact_id": None,
        "status": "placed",
        "returned_amount": "0.00",
        "placed_on": str(on),
        "placed_at": f"{on}T08:00:00Z",
        **values,
    }
    sequence = 1 if verb == "placed" else 2
    return event(f"crm.sales.order.{verb}.v1", data, sequence=sequence)


def deal(account_id: str, on: date, verb: str = "opened", **values: Any) -> Event:
    data = {
        "id": new_id(),
        "account_id": account_id,
        "contact_id": None,
        "stage_type": "open",
        "opened_on": str(on),
        "closed_on": None,
        **values,
    }
    sequence = 1 if verb == "opened" else 2
    return event(f"crm.sales.opportunity.{verb}.v1", data, sequence=sequence)


@pytest.fixture
def account(customer: Harness) -> str:
    values = {"name": "宁波海天", "created_on": str(TODAY - timedelta(days=500))}
    return customer.as_user(team=new_id()).post("/v1/accounts", json=values).json["id"]


@pytest.fixture
def after(customer: Harness) -> Callable[[int], None]:
    """Does what is due so many days from now."""

    def run(days: int) -> None:
        service = customer.service
        scheduler = Scheduler(
            "customer",
            service.database,
            DEFINITION.timers,
            (),
            CollectorRegistry(),
            timedelta(days=days),
        )
        while scheduler.step():
            pass

    return run


def stage(customer: Harness, account: str) -> str:
    return customer.as_user().get(f"/v1/accounts/{account}/overview").json["lifecycle"]["stage"]


def moved(customer: Harness) -> list[tuple[str, str]]:
    return [
        (each.data["change"]["from_stage"], each.data["change"]["to_stage"])
        for each in customer.published(MOVED)
    ]


def test_deals_and_orders_move_a_customer_and_each_move_is_told(
    customer: Harness, account: str
) -> None:
    assert stage(customer, account) == "potential"
    opened, first = TODAY - timedelta(days=40), TODAY - timedelta(days=30)
    customer.deliver(deal(account, opened))
    assert stage(customer, account) == "intent"
    customer.deliver(order(account, first))
    assert stage(customer, account) == "customer"
    customer.deliver(order(account, TODAY))
    assert stage(customer, account) == "repeat"
    assert moved(customer) == [
        ("potential", "intent"), ("intent", "customer"), ("customer", "repeat")
    ]  # fmt: skip
    told = customer.published(MOVED)[1]
    owner = customer.as_user().get(f"/v1/accounts/{account}").json
    assert told.subject == account
    assert told.data["customer_type"] == "account"
    assert (told.data["owner_id"], told.data["team_id"]) == (owner["owner_id"], owner["team_id"])
    assert told.data["change"]["seconds_in_stage"] == 10 * 86_400
    assert told.data["change"]["on"] == told.data["since"] == str(first)


def test_a_cancelled_order_makes_nobody_a_customer(customer: Harness, account: str) -> None:
    placed = order(account, TODAY)
    customer.deliver(placed)
    gone = {"id": placed.data["id"], "status": "cancelled"}
    customer.deliver(order(account, TODAY, "cancelled", **gone))
    assert stage(customer, account) == "potential"
    assert moved(customer) == [("potential", "customer"), ("customer", "potential")]


def test_a_lost_deal_is_no_intent_any_more_and_a_won_one_is(
    customer: Harness, account: str
) -> None:
    opened = deal(account, TODAY - timedelta(days=9))
    closed = {"id": opened.data["id"], "closed_on": str(TODAY)}
    lost = deal(account, TODAY - timedelta(days=9), "lost", stage_type="lost", **closed)
    customer.deliver(opened, lost)
    assert stage(customer, account) == "potential"
    won = {"stage_type": "won", "closed_on": str(TODAY)}
    customer.deliver(deal(account, TODAY, "won", **won))
    assert stage(customer, account) == "intent"


def test_a_deal_that_is_not_engaged_yet_is_no_intent(customer: Harness, account: str) -> None:
    customer.deliver(deal(account, TODAY, opened_on=None))
    assert stage(customer, account) == "potential"


def test_who_orders_no_more_lapses_by_the_clock_and_comes_back_with_an_order(
    customer: Harness, account: str, after: Callable[[int], None]
) -> None:
    customer.deliver(order(account, TODAY))
    after(365)
    assert stage(customer, account) == "customer"
    after(366)
    assert stage(customer, account) == "lapsed"
    assert moved(customer)[-1] == ("customer", "lapsed")
    after(400)
    assert len(moved(customer)) == 2
    customer.deliver(order(account, TODAY + timedelta(days=1)))
    assert stage(customer, account) == "repeat"


def test_imported_history_has_its_own_days(customer: Harness, account: str) -> None:
    long_ago = TODAY - timedelta(days=800)
    customer.deliver(order(account, long_ago), order(account, TODAY - timedelta(days=3)))
    with customer.service.database.reading() as session:
        log = session.scalars(select(LifecycleMove).order_by(LifecycleMove.position)).all()
    assert [(move.to_stage, move.on) for move in log] == [
        ("customer", long_ago),
        ("lapsed", long_ago + timedelta(days=366)),
        ("repeat", TODAY - timedelta(days=3)),
    ]
    (told,) = moved(customer)
    assert told == ("potential", "repeat")


def test_a_manager_sets_when_a_customer_has_lapsed_and_all_are_looked_at(
    customer: Harness, account: str, after: Callable[[int], None]
) -> None:
    customer.deliver(order(account, TODAY - timedelta(days=100)))
    caller = customer.as_user()
    seen = caller.get("/v1/settings/lifecycle")
    assert seen.json["lapse_days"] == 365
    etag = {"If-Match": seen.headers["ETag"]}
    assert (
        caller.patch("/v1/settings/lifecycle", json={"lapse_days": 0}, headers=etag).status_code
        == 422
    )
    changed = caller.patch("/v1/settings/lifecycle", json={"lapse_days": 90}, headers=etag)
    assert (changed.status_code, changed.json["lapse_days"]) == (200, 90)
    after(0)
    assert stage(customer, account) == "lapsed"
    stale = caller.patch("/v1/settings/lifecycle", json={"lapse_days": 9}, headers=etag)
    assert stale.status_code == 412
    (told,) = customer.published("crm.customer.lifecycle_settings.set.v1")
    assert told.data["lapse_days"] == 90


def test_each_stage_has_its_care(customer: Harness, account: str) -> None:
    caller = customer.as_user()
    plans = caller.get("/v1/care-plans").json["items"]
    assert [plan["stage"] for plan in plans] == list(STAGES)
    assert all(plan["care"] for plan in plans)
    path = "/v1/care-plans/potential"
    etag = {"If-Match": caller.get(path).headers["ETag"]}
    changed = caller.patch(path, json={"care": "新客户培训"}, headers=etag)
    assert changed.json["care"] == "新客户培训"
    assert caller.get(f"/v1/accounts/{account}/overview").json["lifecycle"]["care"] == "新客户培训"
    assert caller.get("/v1/care-plans/strategic").status_code == 404
    reader = customer.as_user(grants={"customer.settings.read": "all"})
    assert reader.patch(path, json={"care": "x"}, headers=etag).status_code == 403


def test_accounts_are_listed_by_stage(customer: Harness, account: str) -> None:
    caller = customer.as_user()
    caller.post("/v1/accounts", json={"name": "Untouched"})
    customer.deliver(order(account, TODAY))

    def names(query: str) -> list[str]:
        found = caller.get(f"/v1/accounts?sort=name&{query}").json["items"]
        return [each["name"] for each in found]

    assert names("stage=customer") == ["宁波海天"]
    assert names("stage=potential") == ["Untouched"]
    assert names("stage=potential&stage=customer") == ["Untouched", "宁波海天"]
    assert caller.get("/v1/accounts?stage=vip").status_code == 422
