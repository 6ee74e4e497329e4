"""Activities: a log that those see who see what it is about; and deals left alone too long."""

from datetime import timedelta

import pytest

from crm_chassis.database import new_id, utc_now
from crm_chassis.fields import instant_text
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.follow_ups import commands as follow_ups

DUE = "crm.sales.follow_up.due.v1"


def deal(rep: Caller, **values: object) -> str:
    body = {"name": "张伟 renewal", "amount": "100", "currency": "CNY", **values}
    response = rep.post("/v1/opportunities", json=body)
    assert response.status_code == 201, response.json
    return response.json["id"]


def log(rep: Caller, related_id: str, related_type: str = "opportunity", **values: object) -> dict:
    body = {"kind": "call", "subject": "电话", "related_type": related_type, **values}
    response = rep.post("/v1/activities", json={**body, "related_id": related_id})
    assert response.status_code == 201, response.json
    return response.json


def customer(sales: Harness, **owner: object) -> tuple[str, str]:
    account, contact = new_id(), new_id()
    sales.deliver(
        event("crm.customer.account.created.v1", {"id": account, "name": "北风", **owner}),
        event("crm.customer.contact.created.v1", {"id": contact, "account_id": account, **owner}),
    )
    return account, contact


def test_an_activity_is_told_with_the_customer_it_concerns(sales: Harness) -> None:
    rep = sales.as_user()
    account, contact = customer(sales)
    about = deal(rep, account_id=account, contact_id=contact)
    logged = log(rep, about, kind="visit", notes="see 照片", minutes=45, outcome="offer wanted")
    (told,) = sales.published("crm.sales.activity.logged.v1")
    assert told.subject == logged["id"]
    assert told.data["opportunity_id"] == about
    assert (told.data["account_id"], told.data["contact_id"]) == (account, contact)
    assert (told.data["lead_id"], told.data["owner_id"]) == (None, rep.id)
    on_contact = log(rep, contact, "contact")
    assert (on_contact["account_id"], on_contact["contact_id"]) == (account, contact)


def test_the_log_is_read_from_its_end_and_by_what_it_is_about(sales: Harness) -> None:
    rep = sales.as_user()
    one, other = deal(rep), deal(rep)
    for day in ("2026-03-01", "2026-03-04", "2026-03-02"):
        log(rep, one, subject=day, occurred_at=f"{day}T10:00:00+08:00")
    log(rep, other)
    found = rep.get(f"/v1/activities?related_id={one}").json["items"]
    assert [each["subject"] for each in found] == ["2026-03-04", "2026-03-02", "2026-03-01"]
    assert len(rep.get("/v1/activities").json["items"]) == 4
    path = f"/v1/activities?related_id={one}&occurred_at_from=2026-03-02T00:00:00Z&q=03-0"
    assert len(rep.get(path).json["items"]) == 2


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"kind": "seance"}, "kind"),
        ({"related_type": "order"}, "related_type"),
        ({"related_id": new_id()}, "related_id"),
        ({"related_id": "1'; DROP TABLE activities; --"}, "related_id"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "occurred_at"),
        ({"contact_id": new_id()}, "contact_id"),
        ({"notes": "x" * 4001}, "notes"),
        ({"minutes": -1}, "minutes"),
        ({"subject": "\x00"}, "subject"),
    ],
)
def test_what_is_wrong_with_an_activity_is_named(sales: Harness, values: dict, field: str) -> None:
    rep = sales.as_user()
    body = {"kind": "call", "subject": "x", "related_type": "opportunity", "related_id": deal(rep)}
    assert problem_fields(rep.post("/v1/activities", json={**body, **values})) == [field]


def test_the_log_is_seen_with_what_it_is_about_and_goes_with_it(sales: Harness) -> None:
    team = new_id()
    grants = {"sales.opportunities.*": "own", "sales.activities.*": "own"}
    rep = sales.as_user(grants, team=team)
    successor = sales.as_user(grants, team=team)
    sales.deliver(
        event(
            "crm.gateway.user.created.v1",
            {"id": successor.id, "name": "李娜", "team_id": team, "active": True},
        )
    )
    about = deal(rep)
    activity = log(rep, about)["id"]

    def sees(caller: Caller) -> bool:
        listed = [each["id"] for each in caller.get("/v1/activities").json["items"]]
        exported = activity in caller.get("/v1/exports/activities").get_data(as_text=True)
        found = caller.get(f"/v1/activities/{activity}").status_code == 200
        assert (listed == [activity]) == exported == found
        return found

    assert (sees(rep), sees(successor)) == (True, False)
    body = {"kind": "call", "subject": "x", "related_type": "opportunity", "related_id": about}
    assert problem_fields(successor.post("/v1/activities", json=body)) == ["related_id"]
    sales.as_user().patch(
        f"/v1/opportunities/{about}", json={"owner_id": successor.id}, headers={"If-Match": '"1"'}
    )
    assert (sees(rep), sees(successor)) == (False, True)


def test_without_a_right_to_customers_nothing_about_them_is_seen(sales: Harness) -> None:
    account, _ = customer(sales)
    log(sales.as_user(), account, "account")
    reader = sales.as_user({"sales.activities.*": "all", "sales.leads.read": "all"})
    assert reader.get("/v1/activities").json["items"] == []


def idle(sales: Harness, **later: float) -> list[dict]:
    """What is told of deals left alone, that much later."""
    before = len(sales.published(DUE))
    with sales.service.database.transaction() as session:
        assert not follow_ups.tell_due(session, utc_now() + timedelta(**later))
    return [told.data for told in sales.published(DUE)[before:]]


def test_a_deal_left_alone_is_told_of_once_until_something_is_done(anywhere: Harness) -> None:
    rep = anywhere.as_user()
    about = deal(rep)
    assert idle(anywhere, days=13) == []
    (told,) = idle(anywhere, days=15)
    assert (told["opportunity_id"], told["owner_id"]) == (about, rep.id)
    assert (told["last_activity_at"], told["idle_days"]) == (None, 15)
    assert idle(anywhere, days=16) == []
    moment = utc_now() - timedelta(days=1)
    log(rep, about, occurred_at=instant_text(moment))
    assert idle(anywhere, days=12) == []
    (again,) = idle(anywhere, days=14, hours=1)
    assert again["idle_days"] == 14
    assert idle(anywhere, days=40) == []
    sequences = [told.sequence for told in anywhere.published(DUE)]
    assert sequences == sorted(set(sequences))


def test_an_old_activity_does_not_hide_a_later_one(sales: Harness) -> None:
    rep = sales.as_user()
    about = deal(rep)
    log(rep, about)
    log(rep, about, occurred_at=instant_text(utc_now() - timedelta(days=60)))
    assert idle(sales, days=13) == []


def test_a_deal_that_moved_or_is_closed_is_not_left_alone(sales: Harness) -> None:
    rep = sales.as_user()
    about = deal(rep)
    assert len(idle(sales, days=15)) == 1
    path, tag = f"/v1/opportunities/{about}", {"If-Match": '"1"'}
    lost = rep.post(f"{path}/lose", json={"reason": "price"}, headers=tag)
    assert lost.status_code == 200, lost.json
    assert idle(sales, days=60) == []


def test_the_settings_say_after_how_many_days(sales: Harness) -> None:
    rep = sales.as_user()
    deal(rep)
    path = "/v1/settings/work"
    assert problem_fields(rep.patch(path, json={"follow_up_days": 0}, headers={"If-Match": '"1"'}))
    rep.patch(path, json={"follow_up_days": None}, headers={"If-Match": '"1"'})
    assert idle(sales, days=60) == []
    rep.patch(path, json={"follow_up_days": 3}, headers={"If-Match": '"2"'})
    assert len(idle(sales, days=4)) == 1
