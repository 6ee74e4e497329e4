"""The services, customer and sales with a row of everything that somebody owns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.database import new_id, utc_now
from crm_chassis.inbox import parked_events
from crm_chassis.testing_harness import Caller, Harness, event
from crm_customer.app import create_app as create_customer
from crm_marketing.app import create_app as create_marketing
from crm_reporting.app import create_app as create_reporting
from crm_sales.app import create_app as create_sales
from crm_service_desk.app import create_app as create_service_desk

PHONE = "+8613800138000"
SECRET = "the minutes are nobody's business"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154"
    "789c6360606060000000050001a5f645400000000049454e44ae426082"
)
METHODS = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the OpenAPI document.

    :ivar path: with the ids of rows that are there.
    :ivar parameters: these ids, by their names in the document.
    :ivar addressed: True when the path has such an id.
    """

    method: str
    template: str
    path: str
    parameters: dict[str, str]
    addressed: bool

    def __str__(self) -> str:
        return f"{self.method.upper()} {self.template}"


class Populated:
    """A service with rows that ``owner`` owns.

    :ivar ids: the part of a path in front of an id -> the id of such a row.
    :ivar owned: the ids of rows that only those in their scope may see.
    """

    def __init__(self, harness: Harness) -> None:
        self.harness = harness
        self.ids: dict[str, str] = {}
        self.owned: set[str] = set()
        self.team = new_id()
        team = event("crm.gateway.team.created.v1", {"id": self.team, "parent_id": None})
        harness.deliver(team)
        self.owner = self.person(self.team)

    def person(self, team: str | None, grants: Any = None) -> Caller:
        """Somebody whom the service has heard of."""
        caller = self.harness.as_user(grants, team)
        told = {"id": caller.id, "team_id": team, "active": True}
        self.harness.deliver(event("crm.gateway.user.created.v1", told))
        return caller

    def make(
        self, collection: str, body: Any = None, *, path: str = "", shared: bool = False
    ) -> dict[str, Any]:
        """Create a row as the owner."""
        answer = self.owner.post(path or f"/v1/{collection}", json=body)
        assert answer.status_code in (200, 201, 202), (collection, answer.json)
        made: dict[str, Any] = answer.json
        self.keep(collection, str(made.get("id", made.get("key"))), shared=shared)
        return made

    def keep(self, collection: str, key: str, *, shared: bool = False) -> str:
        self.ids[collection] = key
        if not shared:
            self.owned.add(key)
        return key

    def attach(self, collection: str) -> None:
        """Attach a picture to the row of a collection."""
        answer = self.owner.post(
            f"/v1/{collection}/{self.ids[collection]}/attachments?filename=a.png",
            data=PNG,
            headers={"Content-Type": "application/octet-stream"},
        )
        assert answer.status_code == 201, answer.json
        self.keep("attachments", answer.json["id"])

    def park(self) -> None:
        """Have an event wait for a decision, beside those that it made itself."""
        row = {
            "id": self.keep("parked", new_id(), shared=True),
            "event_id": new_id(),
            "type": "crm.made.up.v1",
            "handler": "none",
            "reason": "made up",
            "attempts": 1,
            "body": b"{}",
            "state": "parked",
            "parked_at": utc_now(),
        }
        with self.harness.service.database.transaction() as session:
            session.execute(parked_events.insert(), [row])
        self.keep("events", self.harness.published()[0].id, shared=True)

    def replay(self, consumer: str) -> None:
        """Have a replay wait for the worker."""
        body = {"consumer": consumer, "since": "2026-01-01T00:00:00Z"}
        self.make("replays", body, path="/v1/events/replays", shared=True)

    def upload(self, resource: str) -> None:
        """Have an import job with a file."""
        body = {"resource": resource, "columns": {"external_id": "external_id"}}
        job = self.make("imports", body)
        answer = self.owner.put(
            f"/v1/imports/{job['id']}/content",
            data=b"external_id\nx\n",
            headers={"Content-Type": "text/csv"},
        )
        assert answer.status_code == 202, answer.json

    def operations(self) -> list[Operation]:
        """Every operation of the service, on rows that are there."""
        document: dict[str, Any] = self.harness.anonymous().get("/openapi.json").json or {}
        return [
            Operation(method, template, *self._filled(template))
            for template, entry in document["paths"].items()
            for method in METHODS
            if method in entry
        ]

    def _filled(self, template: str) -> tuple[str, dict[str, str], bool]:
        named = {
            name: self.ids[collection]
            for collection, name in re.findall(r"([\w-]+)/{(\w+)}", template)
        }
        return template.format(**named), named, bool(self.owned.intersection(named.values()))


def populate_customer(rows: Populated) -> None:
    person = {"phones": [PHONE], "emails": ["secret.person@example.com"]}
    account = rows.make("accounts", {"name": "杭州示例有限公司", "phones": [PHONE]})
    contact = rows.make("contacts", {"name": "王芳", "account_id": account["id"], **person})
    other = rows.make("contacts", {"name": "Unlike Anybody"})
    rows.make("tags", {"key": "vip", "label": "VIP"}, shared=True)
    for collection, key in (("accounts", account["id"]), ("contacts", contact["id"])):
        answer = rows.owner.put(f"/v1/{collection}/{key}/tags/vip", headers={"If-Match": '"1"'})
        assert answer.status_code < 300, answer.json
    rows.keep("contacts", contact["id"])
    details = {"topic": "t", "starts_at": "2026-03-01T10:00:00Z", "minutes": SECRET}
    rows.make(
        "interactions",
        {"kind": "meeting", "contact_id": contact["id"], "details": details},
    )
    rows.attach("interactions")
    field = {"resource": "accounts", "key": "size", "label": "Size", "type": "number"}
    rows.make("custom-fields", field, shared=True)
    rows.make("pool-rules", {"days": 90}, shared=True)
    condition = {"field": "region", "op": "is", "value": "north"}
    rule = {"name": "n", "kind": "account", "tag": "vip", "conditions": [condition]}
    rows.make("tag-rules", rule, shared=True)
    rows.make("duplicate-scans", {"kind": "contact"}, shared=True)
    twin = rows.make(
        "contacts",
        {"name": "王 芳", "account_id": account["id"], **person, "accept_duplicate": "a test"},
    )
    found = rows.owner.get("/v1/duplicate-candidates").json["items"]
    assert found, "the twin was not found"
    rows.keep("duplicate-candidates", found[0]["id"])
    rows.keep("contacts", contact["id"])
    seen = {each: rows.owner.get(f"/v1/contacts/{each}").json for each in (other["id"], twin["id"])}
    rows.make(
        "merges",
        {
            "kind": "contact",
            "survivor_id": twin["id"],
            "merged_id": other["id"],
            "survivor_version": seen[twin["id"]]["version"],
            "merged_version": seen[other["id"]]["version"],
        },
    )
    rows.keep("pool", account["id"])
    rows.keep("care-plans", "potential", shared=True)
    rows.keep("duplicates", "contact", shared=True)
    rows.upload("accounts")
    rows.park()
    rows.replay("sales")


def populate_sales(rows: Populated) -> None:
    account, contact, campaign = new_id(), new_id(), new_id()
    owned = {"owner_id": rows.owner.id, "team_id": rows.team}
    rows.harness.deliver(
        event("crm.customer.account.created.v1", {"id": account, **owned}),
        event("crm.customer.contact.created.v1", {"id": contact, "account_id": account, **owned}),
        event("crm.marketing.campaign.created.v1", {"id": campaign}),
    )
    customer = {"account_id": account, "contact_id": contact}
    money = {"amount": "100.00", "currency": "EUR"}
    price = {"name": "GTX Pro", "list_price": "100.00", "currency": "EUR"}
    product = rows.make("products", price, shared=True)
    rows.make(
        "price-lists",
        {"name": "2026", "currency": "EUR", "valid_from": "2026-01-01"},
        shared=True,
    )
    rows.keep("prices", product["id"], shared=True)
    rows.make("competitors", {"name": "Rival"}, shared=True)
    rows.make("lost-reasons", {"name": "Price"}, shared=True)
    rows.make("leads", {"name": "李雷", "phone": PHONE, "email": "li.lei@example.com"})
    slipped = {"opened_on": "2026-01-05", "expected_close_on": "2026-01-10"}
    deal = rows.make("opportunities", {"name": "大单", **customer, **money, **slipped})
    rows.attach("opportunities")
    about = {"related_type": "opportunity", "related_id": deal["id"]}
    rows.make("activities", {"kind": "call", "subject": "Rang", **about})
    rows.make("tasks", {"title": "Call back", "due_on": "2026-12-01", **about})
    rows.make("comments", {"text": "See this", "mentions": [rows.owner.id], **about})
    rows.keep("mentions", rows.owner.get("/v1/mentions").json["items"][0]["id"])
    lines = [{"product_id": product["id"], "quantity": "2"}]
    order = rows.make("orders", {**customer, "currency": "EUR", "lines": lines})
    rows.make("invoices", {"order_id": order["id"]})
    rows.make("receipts", {"order_id": order["id"], "amount": "10.00", "currency": "EUR"})
    rows.make(
        "orders",
        {
            **customer,
            "currency": "EUR",
            "lines": lines,
            "payment_plan": {"parts": 2, "first_due_on": "2030-01-01"},
        },
    )
    rows.keep("receivables", rows.owner.get("/v1/receivables").json["items"][0]["id"])
    rows.make("quotes", {**customer, "currency": "EUR", "lines": lines})
    term = {"starts_on": "2026-01-01", "ends_on": "2027-01-01"}
    rows.make("contracts", {"title": "T", **customer, **money, **term})
    rows.make("requests", {"title": "Faster", "account_id": account})
    rows.make("approval-rules", {"amount_from": "0.00", "approver_id": rows.owner.id}, shared=True)
    rule = {"name": "All", "strategy": "load", "members": [rows.owner.id]}
    rows.make("assignment-rules", rule, shared=True)
    review = rows.make("reviews", {"team_id": rows.team})
    deals = rows.owner.get(f"/v1/reviews/{review['id']}/deals").json["items"]
    rows.keep("review-deals", deals[0]["id"])
    rows.make(
        "review-questions",
        {"text": "Why?", "owner_id": rows.owner.id},
        path=f"/v1/review-deals/{deals[0]['id']}/questions",
    )
    rows.keep("pipelines", "default", shared=True)
    rows.keep("discount-limits", "sales_rep", shared=True)
    rows.upload("products")
    rows.park()
    rows.replay("reporting")


def populate_marketing(rows: Populated) -> None:
    rows.make("campaigns", {"name": "Spring"})
    rows.upload("campaigns")
    rows.park()
    rows.replay("reporting")


def populate_service_desk(rows: Populated) -> None:
    rows.make("tickets", {"subject": "It does not start", "type": "incident"})
    rows.upload("tickets")
    rows.park()
    rows.replay("reporting")


def populate_reporting(rows: Populated) -> None:
    rows.keep("kpis", "won_amount", shared=True)
    rows.make("jobs", {"kind": "verify"}, path="/v1/projections/jobs", shared=True)
    for collection in ("events", "parked", "replays"):  # it publishes nothing
        rows.keep(collection, new_id(), shared=True)


Made = tuple[Callable[..., Any], Callable[[Populated], None]]
SERVICES: dict[str, Made] = {
    "customer": (create_customer, populate_customer),
    "sales": (create_sales, populate_sales),
}
FURTHER: dict[str, Made] = {
    "marketing": (create_marketing, populate_marketing),
    "service-desk": (create_service_desk, populate_service_desk),
    "reporting": (create_reporting, populate_reporting),
}


def _populated(name: str, folder: Path, url: str | None = None) -> Iterator[Populated]:
    create, populate = (SERVICES | FURTHER)[name]
    harness = Harness(create, name, folder, url)
    populated = Populated(harness)
    populate(populated)
    yield populated
    harness.close()


@pytest.fixture(scope="module", params=SERVICES)
def rows(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Populated]:
    """Customer and sales, each with its rows."""
    yield from _populated(request.param, tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module", params=SERVICES | FURTHER)
def rows_of_every_service(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Populated]:
    """Each service with its rows."""
    yield from _populated(request.param, tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module", params=SERVICES)
def rows_on_postgres(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, postgres: Any
) -> Iterator[Populated]:
    """Customer and sales, each with its rows, on PostgreSQL."""
    url = postgres.create_database(f"api-{request.param}")
    yield from _populated(request.param, tmp_path_factory.mktemp("api"), url)
