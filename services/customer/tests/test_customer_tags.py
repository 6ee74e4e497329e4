"""Tags, given by hand and by rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from werkzeug.test import TestResponse

from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_customer.accounts.models import Account
from crm_customer.app import DEFINITION, create_app
from crm_customer.tags.conditions import months_before

TODAY = utc_now().date()
CHANGED = "crm.customer.account.changed.v1"


anywhere = pytest.mark.parametrize("customer", ["sqlite", "postgres"], indirect=True)


@pytest.fixture
def customer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """The service on SQLite; ``anywhere``, also on PostgreSQL."""
    url = None
    if getattr(request, "param", "sqlite") == "postgres":
        url = request.getfixturevalue("postgres").create_database("customer")
    harness = Harness(create_app, "customer", tmp_path, url)
    yield harness
    harness.close()


@pytest.fixture
def caller(customer: Harness) -> Caller:
    """Somebody who may do everything, in a place with three tags of value and one without."""
    caller = customer.as_user()
    for key, category in (
        ("premium", "value"),
        ("regular", "value"),
        ("small", "value"),
        ("海外", None),
    ):
        made = caller.post("/v1/tags", json={"key": key, "category": category, "label": key})
        assert made.status_code == 201, made.json
    return caller


@pytest.fixture
def after(customer: Harness) -> Callable[..., None]:
    """Does what is due so many days from now."""

    def run(days: int = 0) -> None:
        service = customer.service
        handlers = DEFINITION.timers
        ahead = timedelta(days=days)
        scheduler = Scheduler(
            "customer", service.database, handlers, (), CollectorRegistry(), ahead
        )
        while scheduler.step():
            pass

    return run


def account(caller: Caller, **values: Any) -> str:
    added = caller.post("/v1/accounts", json={"name": f"杭州明光 {new_id()}", **values})
    assert added.status_code == 201, added.json
    return added.json["id"]


def rule(caller: Caller, tag: str, *conditions: dict[str, Any], **values: Any) -> TestResponse:
    body = {"name": tag, "kind": "account", "tag": tag, "conditions": list(conditions), **values}
    return caller.post("/v1/tag-rules", json=body)


def given_rule(caller: Caller, tag: str, *conditions: dict[str, Any], **values: Any) -> str:
    made = rule(caller, tag, *conditions, **values)
    assert made.status_code == 201, made.json
    return f"/v1/tag-rules/{made.json['id']}"


def condition(field: str, op: str, value: Any, **values: Any) -> dict[str, Any]:
    return {"field": field, "op": op, "value": value, **values}


def order(account_id: str, total: str, on: date = TODAY, **values: Any) -> Event:
    data = {
        "id": new_id(),
        "account_id": account_id,
        "contact_id": None,
        "status": "placed",
        "currency": "CNY",
        "total": total,
        "returned_amount": "0.00",
        "placed_on": str(on),
        "placed_at": f"{on}T08:00:00Z",
        "lines": [],
        **values,
    }
    return event("crm.sales.order.placed.v1", data, sequence=values.pop("sequence", 1))


def tags(caller: Caller, account_id: str) -> list[str]:
    return caller.get(f"/v1/accounts/{account_id}").json["tags"]


def with_tag(caller: Caller, query: str) -> list[str]:
    response = caller.get(f"/v1/accounts?{query}")
    assert response.status_code == 200, response.json
    return [each["id"] for each in response.json["items"]]


def test_a_tag_is_defined_changed_and_told_of(customer: Harness, caller: Caller) -> None:
    seen = caller.get("/v1/tags/premium")
    etag = {"If-Match": seen.headers["ETag"]}
    colour = {"colour": "#B8860B", "label": "高价值"}
    changed = caller.patch("/v1/tags/premium", json=colour, headers=etag)
    assert (changed.json["colour"], changed.json["category"]) == ("#B8860B", "value")
    assert caller.patch("/v1/tags/premium", json={"key": "x"}, headers=etag).status_code == 422
    assert caller.patch("/v1/tags/premium", json=colour, headers=etag).status_code == 412
    assert [each["key"] for each in caller.get("/v1/tags?q=高").json["items"]] == ["premium"]
    told = customer.published("crm.customer.tag.changed.v1")
    assert [each.data["label"] for each in told] == ["高价值"]
    again = {"key": "premium", "label": "x"}
    assert caller.post("/v1/tags", json=again).status_code == 409


@pytest.mark.parametrize("key", ["Premium", "a b", "a/b", "a;b", ""])
def test_a_key_is_a_word_in_lower_case(customer: Harness, key: str) -> None:
    response = customer.as_user().post("/v1/tags", json={"key": key, "label": "x"})
    assert problem_fields(response) == ["key"]


@anywhere
def test_a_tag_given_by_hand_takes_the_place_of_its_category_s(
    customer: Harness, caller: Caller
) -> None:
    one, other = account(caller), account(caller)
    for key in ("premium", "海外", "regular"):
        response = caller.put(f"/v1/accounts/{one}/tags/{key}")
        assert response.status_code == 200, response.json
    assert response.json == {
        "id": one, "version": 4, "tags": ["regular", "海外"], "ruled_tags": []
    }  # fmt: skip
    assert response.headers["ETag"] == '"4"'
    assert customer.published(CHANGED)[-1].data["tags"] == ["regular", "海外"]
    assert caller.put(f"/v1/accounts/{one}/tags/regular").json["version"] == 4
    assert with_tag(caller, "tag=regular") == [one]
    assert with_tag(caller, "tag=premium") == []
    assert with_tag(caller, "tag=海外&tag=premium") == [one]
    assert caller.delete(f"/v1/accounts/{one}/tags/regular").json["tags"] == ["海外"]
    assert caller.delete(f"/v1/accounts/{one}/tags/regular").status_code == 404
    assert caller.put(f"/v1/accounts/{one}/tags/vip").status_code == 404
    assert tags(caller, other) == []


def test_a_contact_bears_tags_too(customer: Harness, caller: Caller) -> None:
    contact = caller.post("/v1/contacts", json={"name": "李雷"}).json["id"]
    assert caller.put(f"/v1/contacts/{contact}/tags/海外").json["tags"] == ["海外"]
    found = caller.get("/v1/contacts?tag=海外").json["items"]
    assert [each["id"] for each in found] == [contact]
    told = customer.published("crm.customer.contact.changed.v1")
    assert told[-1].data["tags"] == ["海外"]


def test_tags_are_given_to_whom_one_may_change(customer: Harness, caller: Caller) -> None:
    theirs = account(caller)
    colleague = customer.as_user(grants={"customer.accounts.write": "own"})
    assert colleague.put(f"/v1/accounts/{theirs}/tags/premium").status_code == 404
    reader = customer.as_user(grants={"customer.accounts.read": "all", "customer.tags.read": "all"})
    assert reader.put(f"/v1/accounts/{theirs}/tags/premium").status_code == 403
    assert reader.post("/v1/tags", json={"key": "x", "label": "x"}).status_code == 403
    assert reader.get("/v1/tags").status_code == 200


def test_a_tag_that_is_borne_or_ruled_is_not_deleted(
    customer: Harness, caller: Caller, after: Callable[..., None]
) -> None:
    one = account(caller)
    caller.put(f"/v1/accounts/{one}/tags/海外")
    path = given_rule(caller, "premium", condition("orders", "over", 0))
    etag = {"If-Match": '"1"'}
    assert caller.delete("/v1/tags/海外", headers=etag).status_code == 409
    assert caller.delete("/v1/tags/premium", headers=etag).status_code == 409
    assert caller.delete(path, headers=etag).status_code == 204
    assert caller.delete("/v1/tags/premium", headers=etag).status_code == 204
    (told,) = customer.published("crm.customer.tag.deleted.v1")
    assert (told.data["key"], told.sequence) == ("premium", 2)


@anywhere
def test_spend_over_10000_in_12_months_makes_premium_until_it_is_too_long_ago(
    customer: Harness, caller: Caller, after: Callable[..., None]
) -> None:
    given_rule(caller, "premium", condition("spend", "over", "10000", within_months=12))
    one = account(caller)
    recent = TODAY - timedelta(days=30)
    exactly, more = order(one, "10000.00", recent), order(one, "0.01", TODAY)
    customer.deliver(exactly)
    assert tags(caller, one) == []
    customer.deliver(more)
    assert tags(caller, one) == ["premium"]
    told = customer.published(CHANGED)
    assert [each.data["tags"] for each in told] == [["premium"]]
    window_ends = (_months_after(recent, 12) - TODAY).days
    after(window_ends - 1)
    assert tags(caller, one) == ["premium"]
    after(window_ends)
    assert tags(caller, one) == []
    assert customer.published(CHANGED)[-1].data["tags"] == []


def _months_after(day: date, months: int) -> date:
    """The first day on which ``day`` is not within so many months."""
    found = day + timedelta(days=28 * months)
    while months_before(found, months) < day:
        found += timedelta(days=1)
    return found


@anywhere
def test_what_came_back_other_currencies_and_cancelled_orders_are_no_spend(
    customer: Harness, caller: Caller
) -> None:
    in_yuan = condition("spend", "at_least", "100", currency="CNY", within_months=1)
    given_rule(caller, "premium", in_yuan)
    one = account(caller)
    customer.deliver(
        order(one, "150.00", returned_amount="51.00"),
        order(one, "900.00", currency="USD"),
        order(one, "900.00", status="cancelled"),
    )
    assert tags(caller, one) == []
    customer.deliver(order(one, "1.00"))
    assert tags(caller, one) == ["premium"]


def test_what_is_given_by_hand_wins_over_a_rule(
    customer: Harness, caller: Caller, after: Callable[..., None]
) -> None:
    given_rule(caller, "premium", condition("orders", "at_least", 1))
    one, other = account(caller), account(caller)
    caller.put(f"/v1/accounts/{one}/tags/regular")
    customer.deliver(order(one, "1.00"), order(other, "1.00"))
    assert (tags(caller, one), tags(caller, other)) == (["regular"], ["premium"])
    assert caller.delete(f"/v1/accounts/{other}/tags/premium").status_code == 409
    replaced = caller.put(f"/v1/accounts/{other}/tags/small").json
    assert (replaced["tags"], replaced["ruled_tags"]) == (["small"], [])
    caller.delete(f"/v1/accounts/{other}/tags/small")
    after()
    assert tags(caller, other) == ["premium"]


def merged(caller: Caller, kept: str, gone: str, **fields: str) -> dict[str, Any]:
    versions = [caller.get(f"/v1/accounts/{key}").json["version"] for key in (kept, gone)]
    body = {
        "kind": "account",
        "survivor_id": kept,
        "merged_id": gone,
        "survivor_version": versions[0],
        "merged_version": versions[1],
        "fields": fields,
    }
    done = caller.post("/v1/merges", json=body)
    assert done.status_code == 201, done.json
    return done.json


def parted(caller: Caller, merge: dict[str, Any]) -> None:
    headers = {"If-Match": str(merge["version"])}
    undone = caller.post(f"/v1/merges/{merge['id']}/undo", headers=headers)
    assert undone.status_code == 200, undone.json


def test_a_rule_goes_on_ruling_what_it_gave_a_merged_customer(
    caller: Caller, after: Callable[..., None]
) -> None:
    rule_path = given_rule(caller, "premium", condition("region", "is", "North"))
    given_rule(caller, "海外", condition("region", "is", "South"))
    kept, gone = account(caller, region="South"), account(caller, region="North")
    after()
    assert (tags(caller, kept), tags(caller, gone)) == (["海外"], ["premium"])
    done = merged(caller, kept, gone)
    after()
    assert tags(caller, kept) == ["海外"]
    parted(caller, done)
    assert (tags(caller, kept), tags(caller, gone)) == (["海外"], ["premium"])
    again = merged(caller, kept, gone, region="merged")
    after()
    assert tags(caller, kept) == ["premium"]
    assert caller.delete(rule_path, headers={"If-Match": "1"}).status_code == 204
    after()
    assert tags(caller, kept) == []
    parted(caller, again)
    after()
    assert (tags(caller, kept), tags(caller, gone)) == (["海外"], [])


@pytest.mark.parametrize(
    ("choice", "borne"),
    [
        ({}, ["premium", "海外"]),
        ({"tags": "survivor"}, ["premium"]),
        ({"tags": "merged"}, ["regular", "海外"]),
    ],
)
def test_a_merge_joins_tags_given_by_hand_and_keeps_one_of_a_category(
    caller: Caller, choice: dict[str, str], borne: list[str]
) -> None:
    kept, gone = account(caller), account(caller)
    for key, tag in ((kept, "premium"), (gone, "regular"), (gone, "海外")):
        caller.put(f"/v1/accounts/{key}/tags/{tag}")
    done = merged(caller, kept, gone, **choice)
    assert tags(caller, kept) == borne
    parted(caller, done)
    assert (tags(caller, kept), tags(caller, gone)) == (["premium"], ["regular", "海外"])


def test_undoing_a_merge_leaves_what_was_given_since(caller: Caller) -> None:
    kept, gone = account(caller), account(caller)
    caller.put(f"/v1/accounts/{kept}/tags/premium")
    caller.put(f"/v1/accounts/{gone}/tags/海外")
    done = merged(caller, kept, gone, tags="merged")
    assert tags(caller, kept) == ["海外"]
    caller.put(f"/v1/accounts/{kept}/tags/small")
    parted(caller, done)
    assert (tags(caller, kept), tags(caller, gone)) == (["small"], ["海外"])


def test_of_a_category_the_first_rule_that_is_met_wins(customer: Harness, caller: Caller) -> None:
    given_rule(caller, "small", condition("orders", "at_least", 1), position=3)
    given_rule(caller, "regular", condition("orders", "at_least", 2), position=2)
    given_rule(caller, "premium", condition("orders", "at_least", 3), position=1)
    given_rule(caller, "海外", condition("orders", "at_least", 1))
    one = account(caller)
    seen = []
    for _ in range(3):
        customer.deliver(order(one, "1.00"))
        seen.append(tags(caller, one))
    assert seen == [["small", "海外"], ["regular", "海外"], ["premium", "海外"]]


@anywhere
def test_a_rule_is_asked_about_everybody_when_it_is_made_changed_and_deleted(
    customer: Harness, caller: Caller, after: Callable[..., None], monkeypatch: Any
) -> None:
    monkeypatch.setattr("crm_customer.tags.timers._PIECE", 2)  # in more than one piece
    north = {account(caller, region="北") for _ in range(5)}
    south = {account(caller, region="南") for _ in range(5)}
    path = given_rule(caller, "premium", condition("region", "is", "北"))
    after()
    assert set(with_tag(caller, "tag=premium")) == north
    etag = {"If-Match": '"1"'}
    south_too = {"conditions": [condition("region", "is", ["北", "南"])]}
    assert caller.patch(path, json=south_too, headers=etag).status_code == 200
    after()
    assert set(with_tag(caller, "tag=premium")) == north | south
    off = caller.patch(path, json={"active": False}, headers={"If-Match": '"2"'})
    assert off.json["active"] is False
    after()
    assert with_tag(caller, "tag=premium") == []
    caller.patch(path, json={"active": True}, headers={"If-Match": '"3"'})
    after()
    assert caller.delete(path, headers={"If-Match": '"4"'}).status_code == 204
    after()
    assert with_tag(caller, "tag=premium") == []


def test_a_change_here_is_looked_at_soon_after(
    customer: Harness, caller: Caller, after: Callable[..., None]
) -> None:
    given_rule(caller, "premium", condition("level", "is", "A"))
    after()
    one = account(caller, level="A")
    after()
    assert tags(caller, one) == ["premium"]
    etag = {"If-Match": caller.get(f"/v1/accounts/{one}").headers["ETag"]}
    caller.patch(f"/v1/accounts/{one}", json={"level": "B"}, headers=etag)
    after()
    assert tags(caller, one) == []


ASKED = [
    ([condition("industry", "is", "IT")], "all", "ab"),
    ([condition("industry", "is_not", "IT")], "all", "c"),
    ([condition("region", "is_not", "北")], "all", "bc"),
    ([condition("industry", "is", "IT"), condition("region", "is", "北")], "all", "a"),
    ([condition("level", "is", "C"), condition("region", "is", "北")], "any", "ac"),
    ([condition("employees", "over", 10)], "all", "b"),
    ([condition("employees", "at_most", "10")], "all", "a"),
    ([condition("orders", "is", 0)], "all", "c"),
    ([condition("days_since_order", "at_least", 40)], "all", "a"),
    ([condition("days_since_order", "under", 40)], "all", "b"),
    ([condition("days_since_order", "is", 40)], "all", "a"),
    ([condition("days_since_order", "over", 40)], "all", ""),
    ([condition("tickets", "at_least", 2, within_months=6)], "all", "b"),
    ([condition("complaints", "at_least", 1)], "all", "b"),
    ([condition("stage", "is", "potential")], "all", "c"),
    ([condition("stage", "is", ["customer", "repeat"])], "all", "ab"),
    ([condition("spend", "under", "0")], "all", "b"),
    ([condition("custom.size", "over", 5)], "all", "b"),
    ([condition("custom.plan", "is", ["gold", "silver"])], "all", "ab"),
    ([condition("custom.plan", "is_not", "gold")], "all", "bc"),
]


@anywhere
def test_what_conditions_ask(customer: Harness, caller: Caller, after: Callable[..., None]) -> None:
    for field in (
        {"key": "size", "type": "number"},
        {"key": "plan", "type": "choice", "options": ["gold", "silver"]},
    ):
        body = {"resource": "accounts", "label": "x", **field}
        made = caller.post("/v1/custom-fields", json=body)
        assert made.status_code == 201, made.json
    custom_a, custom_b = {"size": 5, "plan": "gold"}, {"size": 6, "plan": "silver"}
    ids = {
        account(caller, industry="IT", region="北", employees=10, custom=custom_a): "a",
        account(caller, industry="IT", employees=11, custom=custom_b): "b",
        account(caller, level="C"): "c",
    }
    a, b, _ = ids
    ticket = {"contact_id": None, "opened_on": str(TODAY), "account_id": b}
    customer.deliver(
        order(a, "5.00", TODAY - timedelta(days=40)),
        order(b, "-5.00", TODAY - timedelta(days=39), currency="USD"),
        event("crm.service-desk.ticket.opened.v1", ticket | {"id": new_id(), "type": "complaint"}),
        event("crm.service-desk.ticket.opened.v1", ticket | {"id": new_id(), "type": "question"}),
    )
    path = given_rule(caller, "premium", condition("orders", "over", 99))
    for version, (conditions, match, expected) in enumerate(ASKED, 1):
        changes = {"conditions": conditions, "match": match}
        changed = caller.patch(path, json=changes, headers={"If-Match": f'"{version}"'})
        assert changed.status_code == 200, changed.json
        after()
        found = "".join(sorted(ids[each] for each in with_tag(caller, "tag=premium")))
        assert (conditions, found) == (conditions, expected)


@pytest.mark.parametrize("customer", ["postgres"], indirect=True)
def test_who_is_being_changed_is_asked_about_later_and_waited_for_by_nobody(
    customer: Harness, caller: Caller, after: Callable[..., None]
) -> None:
    given_rule(caller, "premium", condition("orders", "at_least", 1))
    after()
    one = account(caller)
    after()
    with customer.service.database.transaction() as session:
        session.execute(select(Account.id).where(Account.id == one).with_for_update())
        customer.deliver(order(one, "1.00"))
    assert tags(caller, one) == []
    after(1)
    assert tags(caller, one) == ["premium"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (condition("colour", "is", "red"), "conditions.0.field"),
        (condition("custom.unknown", "is", "red"), "conditions.0.field"),
        (condition("region", "over", "北"), "conditions.0.op"),
        (condition("spend", "is_not", "1"), "conditions.0.op"),
        (condition("spend", "over", "much"), "conditions.0.value"),
        (condition("spend", "over", ["1"]), "conditions.0.value"),
        (condition("spend", "over", "1e99"), "conditions.0.value"),
        (condition("spend", "over", "NaN"), "conditions.0.value"),
        (condition("days_since_order", "over", "1e9"), "conditions.0.value"),
        (condition("region", "is", "北", within_months=1), "conditions.0.within_months"),
        (condition("orders", "over", 1, currency="CNY"), "conditions.0.currency"),
        (condition("spend", "over", 1, within_months=0), "conditions.0.within_months"),
        ({"field": "spend", "op": "over"}, "conditions.0.value"),
    ],
)
def test_a_condition_that_cannot_be_asked_is_named(
    caller: Caller, wrong: dict[str, Any], field: str
) -> None:
    assert problem_fields(rule(caller, "premium", wrong)) == [field]
    path = given_rule(caller, "premium", condition("orders", "over", 1))
    changes = {"conditions": [wrong]}
    assert problem_fields(
        caller.patch(path, json=changes, headers={"If-Match": '"1"'})
    ) == [field]  # fmt: skip


def test_a_rule_names_a_tag_that_is_there(caller: Caller) -> None:
    response = rule(caller, "vip", condition("orders", "over", 1))
    assert problem_fields(response) == ["tag"]


def test_tags_come_in_and_go_out_with_files(
    customer: Harness, caller: Caller, import_csv: Callable[..., Any]
) -> None:
    given_rule(caller, "premium", condition("orders", "at_least", 1))
    text = "external_id,name,tags\n1,甲,海外;regular\n2,乙,\n3,丙,vip\n4,丁,premium;small\n"
    job, errors = import_csv("accounts", text)
    assert (job["created"], job["failed"]) == (2, 2)
    assert [(each["row"], each["field"]) for each in errors] == [(4, "tags"), (5, "tags")]
    by_key = {each["external_id"]: each for each in caller.get("/v1/accounts").json["items"]}
    assert by_key["1"]["tags"] == ["regular", "海外"]
    customer.deliver(order(by_key["1"]["id"], "1.00"), order(by_key["2"]["id"], "1.00"))
    assert tags(caller, by_key["2"]["id"]) == ["premium"]
    lines = caller.get("/v1/exports/accounts").get_data(as_text=True)
    assert "regular; 海外" in lines
    again, _ = import_csv("accounts", "external_id,name,tags\n1,甲,海外\n2,乙,premium\n")
    assert (again["changed"], again["unchanged"]) == (1, 1)
    assert tags(caller, by_key["1"]["id"]) == ["海外"]


def test_a_new_rule_window_reaches_back_calendar_months() -> None:
    assert months_before(date(2026, 3, 31), 1) == date(2026, 2, 28)
    assert months_before(date(2026, 1, 15), 12) == date(2025, 1, 15)
    assert months_before(date(2024, 2, 29), 12) == date(2023, 2, 28)
