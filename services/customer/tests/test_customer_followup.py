"""When somebody was last in touch, and the lists of those with whom nobody was."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Caller, Harness, event
from crm_customer.accounts.models import Account
from crm_customer.app import create_app
from crm_customer.contacts.models import Contact

LOGGED = "crm.sales.activity.logged.v1"


on_both_databases = pytest.mark.parametrize("service", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """The customer service, on SQLite unless the test asks for another database."""
    url = None
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").create_database(f"followup_{new_id()[-12:]}")
    with closing(Harness(create_app, "customer", tmp_path, url)) as harness:
        yield harness


@pytest.fixture
def rep(service: Harness) -> Caller:
    return service.as_user()


@pytest.fixture
def account(rep: Caller) -> str:
    return rep.post("/v1/accounts", json={"name": "Bright Optics"}).json["id"]


@pytest.fixture
def contact(rep: Caller, account: str) -> str:
    return rep.post("/v1/contacts", json={"name": "李雷", "account_id": account}).json["id"]


def days_ago(days: float) -> str:
    return (datetime.now(UTC) - timedelta(days=days)).isoformat()


def call(rep: Caller, started_at: str, **whom: str) -> dict[str, Any]:
    body = {"kind": "call", "details": {"started_at": started_at}, **whom}
    made = rep.post("/v1/interactions", json=body)
    assert made.status_code == 201, made.json
    return made.json


def last_contact(rep: Caller, resource: str, key: str) -> datetime | None:
    text = rep.get(f"/v1/{resource}/{key}").json["last_contacted_at"]
    return datetime.fromisoformat(text) if text else None


def logged(at: str, **data: Any) -> Event:
    return event(LOGGED, {"id": new_id(), "occurred_at": at, "kind": "call", **data})


@on_both_databases
def test_the_last_contact_is_the_latest(rep: Caller, account: str, contact: str) -> None:
    assert last_contact(rep, "accounts", account) is None
    for moment in ("2024-01-05T08:00:00Z", "2024-01-09T08:00:00Z", "2024-01-07T08:00:00Z"):
        call(rep, moment, contact_id=contact)
    latest = datetime(2024, 1, 9, 8, tzinfo=UTC)
    assert last_contact(rep, "accounts", account) == latest
    assert last_contact(rep, "contacts", contact) == latest


def test_it_is_no_change_of_the_customer(service: Harness, rep: Caller, account: str) -> None:
    before = rep.get(f"/v1/accounts/{account}").json
    call(rep, "2024-01-05T08:00:00Z", account_id=account)
    after = rep.get(f"/v1/accounts/{account}").json
    assert after == before | {"last_contacted_at": "2024-01-05T08:00:00Z"}
    assert service.published("crm.customer.account.changed.v1") == []


@on_both_databases
def test_a_corrected_interaction_moves_it_back(rep: Caller, account: str, contact: str) -> None:
    call(rep, "2024-01-05T08:00:00Z", account_id=account)
    wrong = call(rep, "2024-02-05T08:00:00Z", contact_id=contact)
    other = rep.post("/v1/accounts", json={"name": "Other"}).json["id"]
    path = f"/v1/interactions/{wrong['id']}"
    corrected = {"details": {"started_at": "2024-01-06T08:00:00Z"}}
    assert rep.patch(path, json=corrected, headers={"If-Match": '"1"'}).status_code == 200
    assert last_contact(rep, "accounts", account) == datetime(2024, 1, 6, 8, tzinfo=UTC)
    assert last_contact(rep, "contacts", contact) == datetime(2024, 1, 6, 8, tzinfo=UTC)
    moved = {"account_id": other, "contact_id": None}
    assert rep.patch(path, json=moved, headers={"If-Match": '"2"'}).status_code == 200
    assert last_contact(rep, "accounts", account) == datetime(2024, 1, 5, 8, tzinfo=UTC)
    assert last_contact(rep, "contacts", contact) is None
    assert last_contact(rep, "accounts", other) == datetime(2024, 1, 6, 8, tzinfo=UTC)


@on_both_databases
def test_what_sales_did_counts(service: Harness, rep: Caller, account: str, contact: str) -> None:
    service.deliver(
        logged("2024-03-01T08:00:00Z", account_id=account, contact_id=contact),
        logged("2024-02-01T08:00:00Z", account_id=account, contact_id=None),
        logged("2024-04-01T08:00:00Z", account_id=account, contact_id=None, kind="note"),
        logged("2024-04-01T08:00:00Z", account_id=new_id(), contact_id=None),
    )
    expected = datetime(2024, 3, 1, 8, tzinfo=UTC)
    assert last_contact(rep, "accounts", account) == expected
    assert last_contact(rep, "contacts", contact) == expected
    made = call(rep, "2024-05-01T08:00:00Z", account_id=account)
    corrected = {"details": {"started_at": "2024-01-01T08:00:00Z"}}
    rep.patch(f"/v1/interactions/{made['id']}", json=corrected, headers={"If-Match": '"1"'})
    assert last_contact(rep, "accounts", account) == expected, "found among the activities again"


def test_activities_come_in_any_order_and_twice(customer: Harness) -> None:
    admin = customer.as_user()
    days = ("2024-03-01T08:00:00Z", "2024-02-01T08:00:00Z", "2024-03-05T08:00:00Z")
    for order in permutations(range(3)):
        account = admin.post("/v1/accounts", json={"name": f"Order {order}"}).json["id"]
        events = [logged(day, account_id=account, contact_id=None) for day in days]
        for index in (*order, order[0]):
            customer.deliver(events[index])
        assert last_contact(admin, "accounts", account) == datetime(2024, 3, 5, 8, tzinfo=UTC)


@on_both_databases
@pytest.mark.parametrize(("resource", "model"), [("accounts", Account), ("contacts", Contact)])
def test_those_nobody_followed_up(
    service: Harness, rep: Caller, resource: str, model: type[Any]
) -> None:
    """Contacted 100 days ago; never, but known for 200; contacted yesterday; never, and new."""
    names = ("long ago", "never", "yesterday", "new")
    keys = {name: rep.post(f"/v1/{resource}", json={"name": name}).json["id"] for name in names}
    whom = f"{resource.removesuffix('s')}_id"
    call(rep, days_ago(100), **{whom: keys["long ago"]})
    call(rep, days_ago(1), **{whom: keys["yesterday"]})
    with service.service.database.transaction() as it:
        known_since = datetime.now(UTC) - timedelta(days=200)
        for name in ("never", "long ago", "yesterday"):
            it.execute(
                update(model.__table__)
                .where(model.__table__.c.id == keys[name])
                .values(created_at=known_since)
            )

    def found(**query: Any) -> list[str]:
        answer = rep.get(f"/v1/{resource}", query_string={"sort": "last_contacted_at", **query})
        assert answer.status_code == 200, answer.json
        return [each["name"] for each in answer.json["items"]]

    assert found(not_followed_up_days=90) == ["never", "long ago"]
    assert found(not_followed_up_days=150) == ["never"]
    assert found() == ["never", "long ago", "yesterday", "new"]
    assert found(sort="-last_contacted_at") == ["new", "yesterday", "long ago", "never"]
    first = rep.get(f"/v1/{resource}?sort=last_contacted_at&limit=2").json
    assert found(limit=2, cursor=first["next_cursor"]) == ["yesterday", "new"]
    assert rep.get(f"/v1/{resource}?not_followed_up_days=0").status_code == 422
    exported = rep.get(f"/v1/exports/{resource}?not_followed_up_days=90").get_data(as_text=True)
    assert "long ago" in exported
    assert "yesterday" not in exported


@on_both_databases
def test_of_many_at_once_the_latest_stays(service: Harness, rep: Caller, account: str) -> None:
    barrier = threading.Barrier(8)

    def one(day: int) -> None:
        barrier.wait()
        call(rep, f"2024-01-{day:02d}T08:00:00Z", account_id=account)

    threads = [threading.Thread(target=one, args=(day,)) for day in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert last_contact(rep, "accounts", account) == datetime(2024, 1, 8, 8, tzinfo=UTC)
    assert len(rep.get("/v1/interactions").json["items"]) == 8
