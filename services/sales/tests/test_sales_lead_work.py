"""Leads that wait, that are contacted, and that go into customers who are there already."""

from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select

from crm_chassis.database import new_id
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION
from crm_sales.replicas import accounts

REMINDED = "crm.sales.lead.reminded.v1"


def later(sales: Harness, **ahead: float) -> None:
    """Do what is due that much later."""
    scheduler = Scheduler(
        "sales",
        sales.service.database,
        DEFINITION.timers,
        (),
        CollectorRegistry(),
        timedelta(**ahead),
    )
    while scheduler.step():
        pass


def taken_in(rep: Caller, **values: object) -> str:
    response = rep.post("/v1/leads", json={"name": "王小明", "company": "北风", **values})
    assert response.status_code == 201, response.json
    return f"/v1/leads/{response.json['id']}"


def move(rep: Caller, path: str, *statuses: str) -> None:
    for status in statuses:
        tag = rep.get(path).headers["ETag"]
        moved = rep.put(f"{path}/status", json={"status": status}, headers={"If-Match": tag})
        assert moved.status_code == 200, moved.json


def logged(rep: Caller, path: str, kind: str = "call") -> None:
    body = {"kind": kind, "subject": "电话", "related_type": "lead", "related_id": path[-36:]}
    assert rep.post("/v1/activities", json=body).status_code == 201


def test_a_lead_that_waits_too_long_is_reminded_of_once(anywhere: Harness) -> None:
    rep = anywhere.as_user()
    path = taken_in(rep)
    later(anywhere, hours=23)
    assert anywhere.published(REMINDED) == []
    later(anywhere, hours=25)
    later(anywhere, hours=50)
    (told,) = anywhere.published(REMINDED)
    assert told.data["owner_id"] == rep.id
    assert told.data["change"]["seconds_in_status"] >= 24 * 3600
    assert told.sequence == 2
    assert rep.get(path).json["reminded_at"] is not None
    move(rep, path, "contacted")
    assert rep.get(path).json["reminded_at"] is None


def test_a_lead_contacted_in_time_is_not_reminded_of_and_a_recycled_one_is(sales: Harness) -> None:
    rep = sales.as_user()
    path = taken_in(rep)
    move(rep, path, "contacted")
    later(sales, hours=25)
    assert sales.published(REMINDED) == []
    move(rep, path, "junk", "recycled", "new")
    later(sales, hours=25)
    assert len(sales.published(REMINDED)) == 1


@pytest.mark.parametrize(("hours", "told"), [(None, 0), (2, 1)])
def test_the_settings_say_how_long_a_lead_may_wait(
    sales: Harness, hours: int | None, told: int
) -> None:
    rep = sales.as_user()
    changed = rep.patch(
        "/v1/settings/work", json={"lead_reminder_hours": hours}, headers={"If-Match": '"1"'}
    )
    assert changed.status_code == 200, changed.json
    taken_in(rep)
    later(sales, hours=3)
    assert len(sales.published(REMINDED)) == told


def test_the_first_contact_that_is_logged_makes_a_new_lead_contacted(sales: Harness) -> None:
    rep = sales.as_user()
    path = taken_in(rep)
    logged(rep, path, "note")
    assert rep.get(path).json["status"] == "new"
    logged(rep, path)
    assert rep.get(path).json["status"] == "contacted"
    move(rep, path, "nurturing")
    logged(rep, path)
    assert rep.get(path).json["status"] == "nurturing"
    rep.patch(
        "/v1/settings/work", json={"activity_contacts_lead": False}, headers={"If-Match": '"1"'}
    )
    other = taken_in(rep)
    logged(rep, other)
    assert rep.get(other).json["status"] == "new"


def customer(sales: Harness, **owner: object) -> tuple[str, str]:
    account, contact = new_id(), new_id()
    sales.deliver(
        event("crm.customer.account.created.v1", {"id": account, "name": "北风", **owner}),
        event("crm.customer.contact.created.v1", {"id": contact, "account_id": account, **owner}),
    )
    return account, contact


def test_a_lead_goes_into_the_customer_that_is_named(sales: Harness) -> None:
    rep = sales.as_user()
    account, contact = customer(sales)
    body = {"contact_id": contact, "amount": "10", "currency": "CNY"}
    made = rep.post(f"{taken_in(rep)}/conversion", json=body)
    assert made.status_code == 201, made.json
    assert (made.json["account_id"], made.json["contact_id"]) == (account, contact)
    other, _ = customer(sales)
    body = {"contact_id": contact, "account_id": other, "amount": "10", "currency": "CNY"}
    made = rep.post(f"{taken_in(rep)}/conversion", json=body)
    assert (made.json["account_id"], made.json["contact_id"]) == (other, contact)


def test_a_lead_does_not_go_into_a_customer_that_is_not_seen(sales: Harness) -> None:
    mine, theirs = new_id(), new_id()
    rep = sales.as_user(
        {"sales.leads.*": "own", "sales.opportunities.*": "own", "sales.customers.read": "team"},
        team=mine,
    )
    account, contact = customer(sales, owner_id=None, team_id=theirs)
    path = f"{taken_in(rep)}/conversion"
    for name, value in (("account_id", account), ("contact_id", contact), ("contact_id", new_id())):
        refused = rep.post(path, json={name: value, "amount": "10", "currency": "CNY"})
        assert problem_fields(refused) == [name]
    account, _ = customer(sales, owner_id=None, team_id=mine)
    body = {"account_id": account, "amount": "10", "currency": "CNY"}
    assert rep.post(path, json=body).status_code == 201


def test_whom_a_lead_became_can_be_sold_to_before_customer_tells_of_them(sales: Harness) -> None:
    rep = sales.as_user()
    terms = {"amount": "10", "currency": "CNY"}
    made = rep.post(f"{taken_in(rep)}/conversion", json=terms).json
    of_customer = {name: made[name] for name in ("account_id", "contact_id")}
    line = {"product_name": "x", "quantity": "1", "unit_price": "10.00"}
    asked = of_customer | {"currency": "CNY", "lines": [line]}
    for path in ("/v1/quotes", "/v1/orders"):
        assert rep.post(path, json=asked).status_code == 201
    told = {"id": made["account_id"], "name": "北风科技"}
    sales.deliver(event("crm.customer.account.created.v1", told))
    with sales.service.database.reading() as session:
        names = session.scalars(select(accounts.c.name)).all()
    assert names == ["北风科技"]
