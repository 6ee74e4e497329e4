"""All that is known of a customer in one answer and in one list, for those who may see it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event
from crm_chassis.testing_harness import Caller, Harness, event
from crm_customer.app import create_app

TODAY = utc_now().date()
SECTIONS = ("behaviour", "orders", "deals", "tickets", "campaigns", "interactions", "next_actions")
READ = {"customer.accounts.read": "all", "customer.contacts.read": "all"}

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
def account(customer: Harness) -> str:
    values = {"name": "杭州明光仪器", "phones": ["+8657155500142"], "satisfaction": "high"}
    return customer.as_user().post("/v1/accounts", json=values).json["id"]


class Told:
    """Events about one account."""

    def __init__(self, customer: Harness, account_id: str) -> None:
        self._customer = customer
        self._account_id = account_id

    def __call__(self, noun: str, sequence: int = 1, **values: Any) -> Event:
        whose = {"account_id": self._account_id, "contact_id": None, "campaign_id": None}
        data = {**whose, "id": new_id(), **values}
        if noun.startswith("marketing"):
            data = {"id": data["id"], **values}
        if noun.startswith(("service-desk", "sales.task")):
            del data["campaign_id"]
        if noun.startswith("sales.order"):
            data = {"status": "placed", "currency": "CNY", "returned_amount": "0.00"} | data
        told = event(f"crm.{noun}.v1", data, sequence=sequence)
        self._customer.deliver(told)
        return told


@pytest.fixture
def told(customer: Harness, account: str) -> Told:
    return Told(customer, account)


def overview(caller: Caller, account_id: str) -> dict[str, Any]:
    response = caller.get(f"/v1/accounts/{account_id}/overview")
    assert response.status_code == 200, response.json
    return response.json


def everything(customer: Harness, told: Told, account_id: str, **owner: Any) -> dict[str, str]:
    """One of each; gives their keys."""
    due = str(TODAY + timedelta(days=3))
    campaign = told("marketing.campaign.created", name="秋季促销", **owner).subject
    whose = {"assignee_id" if name == "owner_id" else name: key for name, key in owner.items()}
    keys = {
        "campaign": campaign,
        "order": told(
            "sales.order.placed",
            total="1000.00",
            number="A-1",
            placed_on=str(TODAY),
            placed_at=f"{TODAY}T00:00:01Z",
            campaign_id=campaign,
            **owner,
        ).subject,
        "deal": told(
            "sales.opportunity.opened",
            name="二期",
            stage_type="open",
            opened_on=str(TODAY),
            closed_on=None,
            amount="500.00",
            currency="CNY",
            next_step="寄样品",
            next_step_on=str(TODAY + timedelta(days=1)),
            **owner,
        ).subject,
        "ticket": told(
            "service-desk.ticket.opened", type="complaint", status="open", subject="漏水", **whose
        ).subject,
        "task": told(
            "sales.task.created", title="回访", status="open", due_on=due, due_at=None, **owner
        ).subject,
    }
    call = {"started_at": "2026-01-05T02:00:00Z", "seconds": 60}
    caller = customer.as_user(user_id=owner.get("owner_id"), team=owner.get("team_id"))
    body = {"kind": "call", "account_id": account_id, "details": call, "outcome": "agreed"}
    made = caller.post("/v1/interactions", json=body)
    assert made.status_code == 201, made.json
    return keys | {"interaction": made.json["id"]}


@anywhere
def test_one_answer_has_all_there_is(customer: Harness, told: Told, account: str) -> None:
    keys = everything(customer, told, account)
    lost = {"stage_type": "lost", "opened_on": str(TODAY), "closed_on": str(TODAY)}
    told("sales.opportunity.lost", amount="70.00", currency="CNY", name="一期", **lost)
    told("service-desk.ticket.opened", type="question", status="closed")
    told("sales.task.created", title="过期", status="done")
    told("sales.order.placed", status="cancelled", total="9.00", placed_on="2026-01-01")
    caller = customer.as_user()
    caller.post("/v1/tags", json={"key": "海外", "label": "海外"})
    caller.put(f"/v1/accounts/{account}/tags/海外")
    seen = overview(caller, account)
    base = seen["account"]
    assert (base["name"], base["satisfaction"]) == ("杭州明光仪器", "high")
    assert (base["tags"], base["phones"]) == (["海外"], ["+8657155500142"])
    assert seen["lifecycle"]["stage"] == "customer"
    assert seen["lifecycle"]["care"]
    assert seen["behaviour"]["spend"] == {"CNY": "1000.00"}
    assert [each["status"] for each in seen["orders"]["recent"]] == ["placed", "cancelled"]
    assert seen["orders"]["totals"] == [{"currency": "CNY", "orders": 1, "spend": "1000.00"}]
    assert [each["name"] for each in seen["deals"]["open"]] == ["二期"]
    assert [each["name"] for each in seen["deals"]["past"]] == ["一期"]
    assert [(each["stage_type"], each["amount"]) for each in seen["deals"]["totals"]] == [
        ("lost", "70.00"),
        ("open", "500.00"),
    ]
    assert [each["id"] for each in seen["tickets"]["open"]] == [keys["ticket"]]
    assert seen["tickets"]["totals"] == [
        {"type": "complaint", "tickets": 1, "open": 1},
        {"type": "question", "tickets": 1, "open": 0},
    ]
    assert [each["name"] for each in seen["campaigns"]] == ["秋季促销"]
    assert [each["id"] for each in seen["interactions"]["recent"]] == [keys["interaction"]]
    assert seen["interactions"]["totals"] == [{"kind": "call", "interactions": 1}]
    assert [(each["kind"], each["title"]) for each in seen["next_actions"]] == [
        ("next_step", "寄样品"),
        ("task", "回访"),
    ]


def test_of_a_new_customer_there_is_nothing_yet(customer: Harness, account: str) -> None:
    seen = overview(customer.as_user(), account)
    assert seen["lifecycle"]["stage"] == "potential"
    assert seen["orders"] == {"recent": [], "totals": []}
    assert seen["deals"] == {"open": [], "past": [], "totals": []}
    assert (seen["campaigns"], seen["next_actions"]) == ([], [])


RIGHT_TO = {
    "behaviour": "customer.overview.behaviour",
    "orders": "customer.overview.orders",
    "deals": "customer.overview.deals",
    "tickets": "customer.overview.tickets",
    "campaigns": "customer.overview.campaigns",
    "interactions": "customer.interactions.read",
    "next_actions": "customer.overview.tasks",
}


@pytest.mark.parametrize("section", SECTIONS)
def test_a_section_needs_its_right(
    customer: Harness, told: Told, account: str, section: str
) -> None:
    everything(customer, told, account)
    reader = customer.as_user(grants=READ)
    assert {name: overview(reader, account)[name] for name in SECTIONS} == dict.fromkeys(SECTIONS)
    reader = customer.as_user(grants={**READ, RIGHT_TO[section]: "all"})
    seen = overview(reader, account)
    expected = {section, "next_actions"} if section == "deals" else {section}
    assert {name for name in SECTIONS if seen[name]} == expected


def test_next_actions_are_tasks_or_next_steps_by_right(
    customer: Harness, told: Told, account: str
) -> None:
    everything(customer, told, account)

    def kinds(right: str) -> list[str]:
        seen = overview(customer.as_user(grants={**READ, right: "all"}), account)
        return [each["kind"] for each in seen["next_actions"]]

    assert kinds("customer.overview.tasks") == ["task"]
    assert kinds("customer.overview.deals") == ["next_step"]


def test_who_has_no_right_to_the_customer_sees_nothing(customer: Harness, account: str) -> None:
    stranger = customer.as_user(grants={"customer.accounts.read": "own"})
    for path in ("overview", "timeline"):
        assert stranger.get(f"/v1/accounts/{account}/{path}").status_code == 404
        assert stranger.get(f"/v1/contacts/{account}/{path}").status_code == 403
        assert customer.as_user().get(f"/v1/accounts/{new_id()}/{path}").status_code == 404


@anywhere
def test_the_scope_is_held_against_whose_each_thing_is(
    customer: Harness, told: Told, account: str
) -> None:
    me, mine, theirs = new_id(), new_id(), new_id()
    everything(customer, told, account, owner_id=me, team_id=mine)
    everything(customer, told, account, owner_id=new_id(), team_id=theirs)
    rights = {right: "team" for right in RIGHT_TO.values() if "overview" in right}
    colleague = customer.as_user(grants={**READ, **rights}, team=mine)
    seen = overview(colleague, account)
    assert len(seen["orders"]["recent"]) == seen["orders"]["totals"][0]["orders"] == 1
    assert len(seen["deals"]["open"]) == seen["deals"]["totals"][0]["deals"] == 1
    assert len(seen["tickets"]["open"]) == seen["tickets"]["totals"][0]["tickets"] == 1
    assert len(seen["campaigns"]) == 1
    assert len(seen["next_actions"]) == 2
    kinds = [each["kind"] for each in timeline(colleague, account)]
    assert sorted(kinds) == ["lifecycle", "lifecycle", "opportunity", "order", "ticket"]
    stranger = customer.as_user(grants={**READ, **rights}, team=new_id())
    assert overview(stranger, account)["orders"] == {"recent": [], "totals": []}
    assert {each["kind"] for each in timeline(stranger, account)} == {"lifecycle"}


def test_phones_are_masked_and_what_was_said_is_hidden(
    customer: Harness, told: Told, account: str
) -> None:
    details = {"subject": "机密", "sent_at": "2026-01-05T02:00:00Z", "from": "a@b.example"}
    body = {"kind": "email", "account_id": account, "details": details}
    assert customer.as_user().post("/v1/interactions", json=body).status_code == 201
    reader = customer.as_user(grants={**READ, "customer.interactions.read": "all"})
    seen = overview(reader, account)
    assert seen["account"]["phones"] == ["****0142"]
    assert "机密" not in str(seen)
    assert "机密" not in str(timeline(reader, account))
    assert "机密" in str(timeline(customer.as_user(), account))


def timeline(caller: Caller, account_id: str, query: str = "") -> list[dict[str, Any]]:
    """All pages."""
    entries: list[dict[str, Any]] = []
    cursor = ""
    while True:
        path = f"/v1/accounts/{account_id}/timeline?{query}{cursor}"
        response = caller.get(path)
        assert response.status_code == 200, response.json
        entries += response.json["items"]
        if response.json["next_cursor"] is None:
            return entries
        cursor = f"&cursor={response.json['next_cursor']}"


@anywhere
def test_the_timeline_has_everything_once_newest_first_in_pages(
    customer: Harness, told: Told, account: str
) -> None:
    everything(customer, told, account)
    for number in range(12):
        when = f"2026-02-{number % 4 + 1:02d}T08:00:00Z"
        days = {"placed_on": when[:10], "placed_at": when}
        told("sales.order.placed", total="1.00", number=f"B-{number}", **days)
        details = {"place": "x", "visited_at": when}
        body = {"kind": "visit", "account_id": account, "details": details}
        customer.as_user().post("/v1/interactions", json=body)
    caller = customer.as_user()
    whole = timeline(caller, account, "limit=200")
    places = [(each["at"], each["id"]) for each in whole]
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == len(whole)
    kinds = [each["kind"] for each in whole]
    assert (kinds.count("order"), kinds.count("interaction")) == (13, 13)
    for limit in (1, 3, 7):
        assert timeline(caller, account, f"limit={limit}") == whole
    only = timeline(caller, account, "limit=2&kind=order&kind=ticket")
    assert only == [each for each in whole if each["kind"] in ("order", "ticket")]
    order = next(each for each in whole if each["facts"].get("number") == "A-1")
    assert (order["what"], order["at"]) == ("placed", f"{TODAY}T00:00:01Z")
    assert order["facts"]["total"] == "1000.00"


def test_what_happened_goes_where_its_order_goes(
    customer: Harness, told: Told, account: str
) -> None:
    days = {"placed_on": "2026-01-01", "placed_at": "2026-01-01T08:00:00Z"}
    placed = told("sales.order.placed", total="1.00", **days)
    other = customer.as_user().post("/v1/accounts", json={"name": "Cancity"}).json["id"]
    gone = {**placed.data, "account_id": other, "status": "paid", "paid_on": "2026-01-02"}
    change = {"receipt_id": new_id(), "amount": "1.00"}
    paid = event("crm.sales.order.paid.v1", gone | {"change": change}, sequence=2)
    customer.deliver(paid)
    caller = customer.as_user()
    assert timeline(caller, account, "kind=order") == []
    entries = timeline(caller, other, "kind=order")
    assert [(each["what"], each["at"]) for each in entries] == [
        ("paid", "2026-01-02T00:00:00Z"),
        ("placed", "2026-01-01T08:00:00Z"),
    ]


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "kind=invoice", "cursor=x", "cursor=20260101T000000.0~x", "q=1"],
)
def test_a_wrong_question_is_refused(customer: Harness, account: str, query: str) -> None:
    response = customer.as_user().get(f"/v1/accounts/{account}/timeline?{query}")
    assert response.status_code == 422
