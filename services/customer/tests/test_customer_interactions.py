"""Interactions: the five kinds, who sees them, and what they amount to."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import jsonschema_rs
import pytest

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

READ, WRITE = "customer.interactions.read", "customer.interactions.write"
CONTENT = "customer.interactions.content"
RECORDED = "crm.customer.interaction.recorded.v1"
CHANGED = "crm.customer.interaction.changed.v1"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 100

DETAILS: dict[str, dict[str, Any]] = {
    "email": {
        "from": "rep@example.com",
        "to": ["li.lei@Example.com"],
        "subject": "报价",
        "body": "附件是报价单。",
        "sent_at": "2023-03-02T14:00:00+08:00",
        "message_id": "<1@example.com>",
        "opened_at": "2023-03-02T15:00:00+08:00",
        "replied_at": "2023-03-02T16:00:00+08:00",
    },
    "call": {
        "parties": ["李雷", "+8613800138000"],
        "started_at": "2023-03-01T10:00:00+08:00",
        "seconds": 300,
        "log": "问了价格",
        "recording_ref": "pbx/1",
    },
    "chat": {
        "parties": ["李雷"],
        "started_at": "2023-03-04T09:00:00+08:00",
        "ended_at": "2023-03-04T09:10:00+08:00",
        "text": "你好",
    },
    "meeting": {
        "topic": "demo",
        "attendees": ["李雷", "韩梅梅"],
        "starts_at": "2023-03-03T16:00:00+08:00",
        "ends_at": "2023-03-03T17:30:00+08:00",
        "minutes": "喜欢第二条线",
    },
    "visit": {
        "place": "杭州",
        "visited_at": "2023-03-05T11:00:00+08:00",
        "notes": "看了车间",
    },
}


@pytest.fixture
def rep(customer: Harness) -> Caller:
    return customer.as_user()


@pytest.fixture
def account(rep: Caller) -> str:
    return rep.post("/v1/accounts", json={"name": "Bright Optics"}).json["id"]


def record(rep: Caller, kind: str, **values: Any) -> dict[str, Any]:
    details = DETAILS[kind] | values.pop("details", {})
    sent = rep.post("/v1/interactions", json={"kind": kind, "details": details, **values})
    assert sent.status_code == 201, sent.json
    return sent.json


def sent_email(rep: Caller, account: str, day: int, **answers: str | None) -> None:
    at = f"2024-01-{day:02d}T08:00:00Z"
    details = {"sent_at": at, "opened_at": None, "replied_at": None, **answers}
    record(rep, "email", account_id=account, details=details)


@pytest.mark.parametrize("kind", DETAILS)
def test_each_kind_comes_back_as_it_was_said(
    customer: Harness, rep: Caller, account: str, kind: str
) -> None:
    made = record(rep, kind, account_id=account)
    details = made["details"]
    assert set(details) == set(DETAILS[kind])
    texts = {name: value for name, value in DETAILS[kind].items() if not name.endswith("_at")}
    expected = texts | ({"to": ["li.lei@example.com"]} if kind == "email" else {})
    assert {name: details[name] for name in texts} == expected
    assert made["channel"] == kind
    assert made["owner_id"] == rep.id
    assert rep.get(f"/v1/interactions/{made['id']}").json == made
    (told,) = customer.published(RECORDED)
    assert told.subject == made["id"]
    assert told.data["kind"] == kind
    assert told.data["account_id"] == account
    assert told.data["replied"] is (kind == "email")
    content = [DETAILS[kind][name] for name in ("body", "log", "minutes") if name in DETAILS[kind]]
    assert not any(text in str(told.data) for text in content)


def test_the_days_of_a_customer_in_order(rep: Caller, account: str) -> None:
    """The example: a call, an e-mail, a demo and a chat on four days."""
    for kind in ("chat", "call", "meeting", "email"):
        record(rep, kind, account_id=account)
    listed = rep.get(
        "/v1/interactions", query_string={"account_id": account, "sort": "occurred_at"}
    )
    assert [(each["kind"], each["occurred_at"]) for each in listed.json["items"]] == [
        ("call", "2023-03-01T02:00:00Z"),
        ("email", "2023-03-02T06:00:00Z"),
        ("meeting", "2023-03-03T08:00:00Z"),
        ("chat", "2023-03-04T01:00:00Z"),
    ]
    figures = rep.get(f"/v1/accounts/{account}/interaction-figures").json
    assert figures["total"]["count"] == 4
    assert figures["total"]["last_at"] == "2023-03-04T01:00:00Z"
    assert figures["total"]["mean_gap_days"] == round((2 + 23 / 24) / 3, 4)
    assert [each["channel"] for each in figures["channels"]] == ["call", "chat", "email", "meeting"]


def test_how_long_it_lasted(rep: Caller, account: str) -> None:
    seconds = {kind: record(rep, kind, account_id=account)["seconds"] for kind in DETAILS}
    assert seconds == {"email": None, "call": 300, "chat": 600, "meeting": 5400, "visit": None}


def test_a_business_day_begins_where_the_business_is(customer: Harness, account: str) -> None:
    at = {"started_at": "2023-03-01T20:00:00-08:00"}
    made = record(customer.as_user(), "call", account_id=account, details=at)
    assert made["occurred_on"] == "2023-03-02"


@pytest.mark.parametrize(
    ("kind", "details", "wrong"),
    [
        ("call", {"started_at": "2023-03-01T10:00:00Z", "topic": "x"}, ["details.topic"]),
        ("call", {}, ["details.started_at"]),
        ("call", {"started_at": "2023-03-01T10:00:00Z", "seconds": -1}, ["details.seconds"]),
        ("chat", {"started_at": "2023-03-01T10:00:00Z"}, ["details.text"]),
        ("email", {"sent_at": "2023-03-01T10:00:00Z", "to": ["li lei"]}, ["details.to.0"]),
        ("email", {"sent_at": "yesterday"}, ["details.sent_at"]),
        ("visit", {"visited_at": "2999-01-01T00:00:00Z"}, ["occurred_at"]),
        (
            "meeting",
            {"starts_at": "2023-03-01T10:00:00Z", "ends_at": "2023-03-01T09:00:00Z"},
            ["ended_at"],
        ),
        (
            "meeting",
            {"starts_at": "2023-03-01T10:00:00Z", "ends_at": "2023-04-01T09:00:00Z"},
            ["ended_at"],
        ),
    ],
)
def test_details_that_are_not_the_kinds_are_refused(
    rep: Caller, account: str, kind: str, details: dict[str, Any], wrong: list[str]
) -> None:
    body = {"kind": kind, "account_id": account, "details": details}
    refused = rep.post("/v1/interactions", json=body)
    assert refused.status_code == 422
    assert problem_fields(refused) == wrong


def test_it_is_with_a_customer_that_is_there(rep: Caller, customer: Harness, account: str) -> None:
    body = {"kind": "visit", "details": DETAILS["visit"]}
    assert problem_fields(rep.post("/v1/interactions", json=body)) == ["account_id"]
    unknown = {"account_id": new_id()}
    assert problem_fields(rep.post("/v1/interactions", json=body | unknown)) == ["account_id"]
    unknown = {"contact_id": new_id()}
    assert problem_fields(rep.post("/v1/interactions", json=body | unknown)) == ["contact_id"]
    blind = customer.as_user({WRITE: "own", READ: "own", "customer.accounts.read": "own"})
    hidden = blind.post("/v1/interactions", json=body | {"account_id": account})
    assert problem_fields(hidden) == ["account_id"]


def test_what_is_with_a_contact_is_with_its_account(rep: Caller, account: str) -> None:
    values = {"name": "李雷", "account_id": account}
    contact = rep.post("/v1/contacts", json=values).json["id"]
    assert record(rep, "call", contact_id=contact)["account_id"] == account


def test_a_change_is_told(customer: Harness, rep: Caller, account: str) -> None:
    made = record(rep, "email", account_id=account, details={"replied_at": None})
    path, seen = f"/v1/interactions/{made['id']}", {"If-Match": '"1"'}
    replied = {"details": {"replied_at": "2023-03-02T18:00:00+08:00"}}
    assert rep.patch(path, json=replied).status_code == 428
    changed = rep.patch(path, json=replied, headers=seen)
    assert changed.status_code == 200, changed.json
    assert changed.json["details"]["body"] == DETAILS["email"]["body"]
    assert changed.json["replied"] is True
    assert rep.patch(path, json=replied, headers=seen).status_code == 412
    again = rep.patch(path, json=replied, headers={"If-Match": '"2"'})
    assert (again.status_code, again.json["version"]) == (200, 2)
    (told,) = customer.published(CHANGED)
    assert (told.sequence, told.data["replied"]) == (2, True)
    bad = rep.patch(path, json={"details": {"seconds": 1}}, headers={"If-Match": '"2"'})
    assert problem_fields(bad) == ["details.seconds"]


def test_the_list_is_narrowed(rep: Caller, account: str) -> None:
    other = rep.post("/v1/accounts", json={"name": "Other"}).json["id"]
    call = record(rep, "call", account_id=account, channel="wechat call", direction="in")["id"]
    visit = record(rep, "visit", account_id=other)["id"]

    def found(**query: Any) -> list[str]:
        answer = rep.get("/v1/interactions", query_string=query)
        assert answer.status_code == 200, answer.json
        return [each["id"] for each in answer.json["items"]]

    assert found() == [visit, call]
    assert found(account_id=account) == [call]
    assert found(kind="visit") == [visit]
    assert found(channel="wechat call") == [call]
    assert found(direction="in") == [call]
    assert found(owner_id=rep.id) == [visit, call]
    assert found(owner_id=new_id()) == []
    assert found(occurred_on_from="2023-03-04") == [visit]
    assert found(occurred_at_to="2023-03-01T10:00:00+08:00") == [call]
    assert found(q="价格") == [call]


@pytest.fixture
def colleague_sees(customer: Harness, account: str) -> Callable[..., Caller]:
    """Somebody of a team, to which the account belongs or not."""
    team = new_id()

    def make(*, account_in_team: bool, **grants: Any) -> Caller:
        if account_in_team:
            with customer.service.database.transaction() as session:
                from crm_customer.accounts.models import Account

                session.get_one(Account, account).team_id = team
        granted = {READ: "team", CONTENT: "team", "customer.accounts.read": "team"}
        return customer.as_user(granted | grants, team=team)

    return make


def test_who_sees_the_customer_sees_what_passed(
    rep: Caller, account: str, colleague_sees: Callable[..., Caller]
) -> None:
    made = record(rep, "call", account_id=account)
    path = f"/v1/interactions/{made['id']}"
    stranger = colleague_sees(account_in_team=False)
    assert stranger.get(path).status_code == 404
    assert stranger.get("/v1/interactions").json["items"] == []
    assert stranger.get("/v1/interactions?q=价格").json["items"] == []
    assert stranger.get(f"/v1/accounts/{account}/interaction-figures").status_code == 404
    assert made["id"] not in stranger.get("/v1/exports/interactions").get_data(as_text=True)
    assert stranger.get(f"{path}/attachments").status_code == 404
    colleague = colleague_sees(account_in_team=True, **{WRITE: "team"})
    assert colleague.get(path).json["details"]["log"] == "问了价格"
    assert [each["id"] for each in colleague.get("/v1/interactions").json["items"]] == [made["id"]]
    figures = colleague.get(f"/v1/accounts/{account}/interaction-figures").json
    assert figures["total"]["count"] == 1
    change = colleague.patch(path, json={"outcome": "x"}, headers={"If-Match": '"1"'})
    assert change.status_code == 404, "to see it with the customer is not to change it"


def test_its_owner_sees_it_without_the_customer(customer: Harness, account: str) -> None:
    admin = customer.as_user()
    made = record(admin, "call", account_id=account)
    mine = customer.as_user({READ: "own"}, user_id=admin.id)
    assert mine.get(f"/v1/interactions/{made['id']}").status_code == 200


def test_without_the_right_one_sees_that_it_was(
    customer: Harness, rep: Caller, account: str
) -> None:
    reader = customer.as_user({READ: "all", "customer.accounts.read": "all"})
    said = [
        "报价",
        "附件",
        "rep@example.com",
        "li.lei",
        "1@example.com",
        "价格",
        "李雷",
        "pbx",
        "你好",
        "demo",
        "喜欢",
        "杭州",
        "车间",
    ]
    for kind in DETAILS:
        record(rep, kind, account_id=account)
    pages = [
        reader.get("/v1/interactions").get_data(as_text=True),
        reader.get("/v1/exports/interactions").get_data(as_text=True),
    ]
    for page in pages:
        assert [word for word in said if word in page] == []
        assert "2023-03-01T02:00:00Z" in page
    assert reader.get("/v1/interactions?q=价格").json["items"] == []
    whole = rep.get("/v1/exports/interactions").get_data(as_text=True)
    assert [word for word in said if word not in whole] == []


def test_a_photo_of_a_visit(customer: Harness, rep: Caller, account: str) -> None:
    made = record(rep, "visit", account_id=account)
    path = f"/v1/interactions/{made['id']}/attachments"
    sent = rep.post(path, query_string={"filename": "车间.png"}, input_stream=io.BytesIO(PNG))
    assert sent.status_code == 201, sent.json
    assert rep.get(f"/v1/interactions/{made['id']}").json["attachments"] == 1
    (told,) = customer.published(CHANGED)
    assert told.data["attachments"] == 1
    reader = customer.as_user({READ: "all", WRITE: "all"})
    one = f"{path}/{sent.json['id']}"
    answers = [
        reader.get(path),
        reader.get(one),
        reader.delete(one),
        reader.post(path, query_string={"filename": "b.png"}, input_stream=io.BytesIO(PNG)),
    ]
    assert [answer.status_code for answer in answers] == [403] * 4, "what it shows is content"
    assert rep.delete(one).status_code == 204
    assert rep.get(f"/v1/interactions/{made['id']}").json["attachments"] == 0


def test_figures_by_channel(customer: Harness, rep: Caller, account: str) -> None:
    later = "2024-02-01T00:00:00Z"
    sent_email(rep, account, 1, opened_at=later, replied_at=later)
    sent_email(rep, account, 11, opened_at=later)
    sent_email(rep, account, 31)
    record(rep, "email", account_id=account, direction="in", details={"replied_at": None})
    for day, seconds in ((2, 100), (3, 200), (4, 0), (5, None)):
        at = {"started_at": f"2024-01-{day:02d}T08:00:00Z", "seconds": seconds}
        record(rep, "call", account_id=account, details=at)
    figures = rep.get(f"/v1/accounts/{account}/interaction-figures").json
    by_channel = {each["channel"]: each for each in figures["channels"]}
    call, email = by_channel["call"], by_channel["email"]
    assert (call["count"], call["mean_gap_days"], call["mean_call_seconds"]) == (4, 1.0, 150.0)
    assert (call["reply_rate"], call["open_rate"]) == (None, None)
    assert (email["count"], email["mean_call_seconds"]) == (4, None)
    assert email["reply_rate"] == round(1 / 3, 4)
    assert email["open_rate"] == round(2 / 3, 4)
    assert email["last_at"] == "2024-01-31T08:00:00Z"
    assert figures["total"]["count"] == 8


def test_what_came_of_it(customer: Harness, rep: Caller, account: str) -> None:
    for day in (1, 11, 31):
        sent_email(rep, account, day)
    order = {"account_id": account, "placed_on": "2024-01-12", "lines": []}
    placed = event("crm.sales.order.placed.v1", order | {"status": "placed"})
    customer.deliver(placed)
    path = f"/v1/accounts/{account}/interaction-figures"
    assert rep.get(path).json["order_conversion"] == round(2 / 3, 4)
    assert rep.get(f"{path}?within_days=5").json["order_conversion"] == round(1 / 3, 4)
    assert rep.get(path).json["win_conversion"] == 0
    won = {"account_id": account, "closed_on": "2024-02-10", "stage_type": "won"}
    customer.deliver(event("crm.sales.opportunity.won.v1", won))
    assert rep.get(path).json["win_conversion"] == round(2 / 3, 4)
    assert rep.get(f"{path}?within_days=29").json["win_conversion"] == round(1 / 3, 4)


def test_a_customer_without_interactions_has_no_rates(rep: Caller, account: str) -> None:
    figures = rep.get(f"/v1/accounts/{account}/interaction-figures").json
    assert figures["channels"] == []
    assert figures["total"]["count"] == 0
    assert figures["total"]["last_at"] is None
    assert figures["order_conversion"] is None


def test_the_document_tells_the_kinds_apart(customer: Harness, rep: Caller, account: str) -> None:
    document = customer.anonymous().get("/openapi.json").json
    schemas = document["components"]["schemas"]
    details = schemas["InteractionFields"]["properties"]["details"]
    assert len(details["oneOf"]) == len(DETAILS)
    check = jsonschema_rs.validator_for(details)
    assert all(check.is_valid(each) for each in DETAILS.values())
    view = jsonschema_rs.validator_for(schemas["InteractionView"]["properties"]["details"])
    assert all(view.is_valid(record(rep, kind, account_id=account)["details"]) for kind in DETAILS)
    assert not check.is_valid({"started_at": "2023-03-01T10:00:00Z", "topic": "x"})


Import = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


def test_interactions_are_imported(customer: Harness, import_csv: Import, account: str) -> None:
    rep = customer.as_user()
    rep.post("/v1/contacts", json={"name": "李雷", "account_id": account})
    text = (
        "external_id,kind,account,contact,occurred_at,ended_at,seconds,subject,text,participants\n"
        "i1,call,Bright Optics,,2023-03-01T10:00:00+08:00,,300,,问了价格,李雷; 韩梅梅\n"
        "i2,meeting,,李雷,2023-03-03T16:00:00+08:00,2023-03-03T17:00:00+08:00,,demo,,\n"
        "i3,visit,Nobody,,2023-03-03T16:00:00+08:00,,,,,\n"
        "i4,visit,Bright Optics,,2023-03-03T16:00:00+08:00,,,topic,,\n"
        "i5,visit,,,2023-03-03T16:00:00+08:00,,,,,\n"
        "i6,visit,Bright Optics,,2999-03-03T16:00:00+08:00,,,,,\n"
    )
    job, errors = import_csv("interactions", text)
    assert (job["created"], job["failed"]) == (2, 4)
    assert [(error["row"], error["field"]) for error in errors] == [
        (4, "account"),
        (5, "subject"),
        (6, "account_id"),
        (7, "occurred_at"),
    ]
    listed = rep.get("/v1/interactions", query_string={"account_id": account}).json["items"]
    assert [each["external_id"] for each in listed] == ["i2", "i1"]
    assert listed[1]["details"]["parties"] == ["李雷", "韩梅梅"]
    assert rep.get(f"/v1/accounts/{account}").json["last_contacted_at"] == "2023-03-03T08:00:00Z"
    again, _ = import_csv("interactions", text)
    assert (again["created"], again["unchanged"]) == (0, 2)
    earlier = text.replace("2023-03-03T16", "2023-02-03T16").replace("03-03T17", "02-03T17")
    changed, _ = import_csv("interactions", earlier)
    assert changed["changed"] == 1
    assert rep.get(f"/v1/accounts/{account}").json["last_contacted_at"] == "2023-03-01T02:00:00Z"
