"""From a web form to money and back: at each step the customer's view and the KPIs are right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from crm_local.testing import Person, Running

CURRENCY = "EUR"
PERIOD = "from=2000-01-01&to=2199-12-31"
LINES = [
    {
        "product_name": "Heat pump",
        "quantity": "3",
        "unit_price": "999.99",
        "discount_percent": "10",
        "tax_rate": "19",
    },
    {"product_name": "Mount", "quantity": "2", "unit_price": "49.95", "tax_rate": "19"},
    {"product_name": "Fitting", "quantity": "1.5", "unit_price": "120", "tax_rate": "7"},
]
# 3 x 999.99 = 2999.97, less 300.00, with 512.99 of tax; 99.90 with 18.98; 180.00 with 12.60
TOTALS = {"subtotal": "3279.87", "discount": "300.00", "tax": "544.57", "total": "3524.44"}
TOTAL = TOTALS["total"]
FIRST_PART, REST = "1000.00", "2524.44"
RETURNED = "1070.99"  # one of three heat pumps, which were 3212.96
NET = "2453.45"
UNPAID = timedelta(hours=49)


@dataclass
class Cast:
    """Who takes part in the day."""

    team: str
    rep: Person
    manager: Person
    director: Person
    website: Person


@dataclass
class Figures:
    """What the salesperson's KPIs say; None where nothing counts."""

    leads: int | None = None
    customers_by_life_cycle: int | None = None
    won_count: int | None = None
    pipeline: str | None = None
    sales: str | None = None
    orders: int | None = None
    order_value: str | None = None
    interactions: int | None = None
    receipts: str | None = None
    returns: str | None = None
    net_sales: str | None = None


@dataclass
class View:
    """What the overview says of the customer."""

    stage: str = "potential"
    visits: int = 0
    open_deals: list[tuple[str, str]] = field(default_factory=list)
    past_deals: list[tuple[str, str]] = field(default_factory=list)
    orders: list[dict[str, Any]] = field(default_factory=list)
    spend: dict[str, str] = field(default_factory=dict)
    next_actions: list[str] = field(default_factory=list)


@pytest.fixture
def cast(platform: Running, admin: Person) -> Cast:
    team = platform.found_team("华东 team")
    everyone = Cast(
        team=team,
        rep=platform.hire("sales_rep", team, "韩梅梅"),
        manager=platform.hire("sales_manager", team, "李雷"),
        director=platform.hire("sales_manager", admin.get("identity/v1/me")["team"]["id"], "Ann"),
        website=platform.register("Website", {"sales.leads.write": "own"}),
    )
    for role, percent in (("sales_rep", "10"), ("sales_manager", "25")):
        admin.ok("PUT", f"sales/v1/discount-limits/{role}", {"max_percent": percent}, 0)
    return everyone


def rules(admin: Person, cast: Cast, eventually: Callable[..., Any]) -> None:
    """Web leads go to the salesperson; big contracts need the manager, then the director."""
    wanted: list[tuple[str, dict[str, Any]]] = [
        (
            "sales/v1/assignment-rules",
            {
                "name": "Web leads",
                "sources": ["web form"],
                "strategy": "round_robin",
                "members": [cast.rep.id],
            },
        ),
        *(
            (
                "sales/v1/approval-rules",
                {
                    "team_id": cast.team,
                    "currency": CURRENCY,
                    "amount_from": "1000",
                    "position": position,
                    "approver_id": approver.id,
                },
            )
            for position, approver in enumerate((cast.manager, cast.director), 1)
        ),
    ]
    for path, body in wanted:  # sales hears of new users in a moment
        eventually(lambda path=path, body=body: admin.send("POST", path, body).status, 201)


class Day:
    """What the salesperson sees of one customer."""

    def __init__(self, rep: Person, account_id: str, eventually: Callable[..., Any]) -> None:
        self._rep = rep
        self._account = f"customer/v1/accounts/{account_id}"
        self._eventually = eventually

    def holds(self, figures: Figures, view: View) -> None:
        """Wait until the KPIs and the customer's view are these."""
        self._eventually(lambda: figures_of(self._rep), figures)
        self._eventually(lambda: self._view(view), view)

    def _view(self, wanted: View) -> View:
        answer = self._rep.send("GET", f"{self._account}/overview")
        if answer.status == 404:  # the customer is yet to hear of its account
            return View(stage="unknown")
        told = answer.json()
        return View(
            stage=told["lifecycle"]["stage"],
            visits=told["behaviour"]["visits"],
            open_deals=[(deal["stage"], deal["amount"]) for deal in told["deals"]["open"]],
            past_deals=[(deal["stage"], deal["amount"]) for deal in told["deals"]["past"]],
            orders=[
                {name: order[name] for name in expected}
                for order, expected in zip(told["orders"]["recent"], wanted.orders, strict=False)
            ],
            spend=told["behaviour"]["spend"],
            next_actions=[action["title"] for action in told["next_actions"]],
        )

    def timeline(self) -> list[tuple[str, str]]:
        """What happened, oldest first."""
        items = self._rep.get(f"{self._account}/timeline?limit=100")["items"]
        return [(entry["kind"], entry["what"]) for entry in reversed(items)]


def figures_of(person: Person) -> Figures:
    return Figures(**{name: kpi(person, name) for name in Figures.__dataclass_fields__})


def kpi(person: Person, name: str) -> Any:
    rows = person.get(f"reporting/v1/kpis/{name}?{PERIOD}&by=person")["rows"]
    return next((row["value"] for row in rows if row["member"]["id"] == person.id), None)


def order_as(status: str, paid: str, returned: str = "0.00", **more: Any) -> dict[str, Any]:
    return {
        "status": status,
        "total": TOTAL,
        "paid_amount": paid,
        "returned_amount": returned,
        "payment_overdue": False,
        **more,
    }


def test_a_day_in_the_life(
    platform: Running, admin: Person, cast: Cast, eventually: Callable[..., Any]
) -> None:
    rules(admin, cast, eventually)
    rep = cast.rep

    # A lead comes in by the web form, and is the salesperson's by the rule.
    lead = cast.website.post(
        "sales/v1/leads",
        {
            "name": "王小明",
            "company": "Northwind 北风",
            "email": "wang@northwind.example",
            "phone": "+86 138 0013 8000",
            "source": "web form",
            "industry": "manufacturing",
        },
    )
    assert lead["owner_id"] == rep.id
    assert cast.website.send("GET", f"sales/v1/leads/{lead['id']}").status == 403
    waiting = rep.get("sales/v1/inbox")["leads_today"]["items"]
    assert [each["id"] for each in waiting] == [lead["id"]]
    eventually(lambda: figures_of(rep), Figures(leads=1))

    # It is called, which makes it contacted, and qualified.
    lead_path = f"sales/v1/leads/{lead['id']}"
    rep.post(
        "sales/v1/activities",
        {
            "kind": "call",
            "subject": "First call",
            "related_type": "lead",
            "related_id": lead["id"],
            "minutes": 12,
            "outcome": "interested",
        },
    )
    lead = rep.get(lead_path)
    assert lead["status"] == "contacted"
    rep.ok("PUT", f"{lead_path}/status", {"status": "qualified"}, lead["version"])

    # It is converted: account, contact and deal.
    made = rep.post(
        f"{lead_path}/conversion",
        {
            "opportunity_name": "Heat pumps",
            "amount": "3000.00",
            "currency": CURRENCY,
            "expected_close_on": in_days(14),
        },
    )
    account_id, deal_path = made["account_id"], f"sales/v1/opportunities/{made['opportunity_id']}"
    day = Day(rep, account_id, eventually)
    deal = rep.get(deal_path)
    figures = Figures(leads=1, customers_by_life_cycle=2, pipeline="3000.00")  # and a contact
    view = View("intent", open_deals=[(deal["stage"], "3000.00")])
    day.holds(figures, view)
    eventually(lambda: rep.send("GET", f"customer/v1/contacts/{made['contact_id']}").status, 200)

    # It is quoted. More than the limit is not let off.
    asked = {"opportunity_id": made["opportunity_id"], "valid_until": in_days(30)}
    too_much = [LINES[0] | {"discount_percent": "10.01"}, *LINES[1:]]
    refused = rep.send("POST", "sales/v1/quotes", asked | {"lines": too_much})
    assert refused.status == 422
    assert [error["field"] for error in refused.json()["errors"]] == ["lines.0.discount_percent"]
    quote = rep.post("sales/v1/quotes", asked | {"lines": LINES})
    assert {name: quote[name] for name in TOTALS} == TOTALS
    deal = rep.ok("PUT", f"{deal_path}/stage", {"stage": "proposal"}, deal["version"])
    deal = rep.ok("PATCH", deal_path, {"amount": TOTAL}, deal["version"])
    quote_path = f"sales/v1/quotes/{quote['id']}"
    quote = rep.post(f"{quote_path}/send", version=quote["version"])
    task = rep.post(
        "sales/v1/tasks",
        {
            "title": "Ask whether the quote came",
            "due_on": in_days(3),
            "related_type": "opportunity",
            "related_id": made["opportunity_id"],
        },
    )
    rep.post(
        "customer/v1/interactions",
        {
            "kind": "visit",
            "account_id": account_id,
            "details": {"visited_at": datetime.now(UTC).isoformat(), "place": "Their plant"},
        },
    )
    figures.interactions, figures.pipeline = 1, TOTAL
    view.visits, view.open_deals = 1, [("proposal", TOTAL)]
    view.next_actions = ["Ask whether the quote came"]
    day.holds(figures, view)

    # The contract goes through its chain: the manager, then the director.
    contract = rep.post(
        "sales/v1/contracts",
        {
            "title": "Heat pumps for Northwind",
            "account_id": account_id,
            "opportunity_id": made["opportunity_id"],
            "quote_id": quote["id"],
            "amount": TOTAL,
            "currency": CURRENCY,
            "starts_on": in_days(0),
            "ends_on": in_days(365),
        },
    )
    contract_path = f"sales/v1/contracts/{contract['id']}"
    contract = rep.post(f"{contract_path}/submit", version=contract["version"])
    assert contract["status"] == "in_review"
    early = cast.director.send("POST", f"{contract_path}/approve", {}, contract["version"])
    assert early.status == 403
    for approver in (cast.manager, cast.director):
        body = {"comment": "Agreed."}
        contract = approver.post(f"{contract_path}/approve", body, contract["version"])
    assert contract["status"] == "approved"
    contract = rep.post(f"{contract_path}/activate", version=contract["version"])
    assert contract["status"] == "active"

    # The customer accepts: the order is placed and the deal is won.
    quote = rep.post(f"{quote_path}/accept", {}, quote["version"])
    order_path = f"sales/v1/orders/{quote['order_id']}"
    rep.post(f"{deal_path}/win", {}, deal["version"])
    task = rep.post(f"sales/v1/tasks/{task['id']}/complete", {}, task["version"])
    figures = Figures(
        leads=1,
        customers_by_life_cycle=2,
        won_count=1,
        sales=TOTAL,
        orders=1,
        order_value=TOTAL,
        interactions=1,
        net_sales=TOTAL,
    )
    view = View(
        "customer",
        visits=1,
        past_deals=[("won", TOTAL)],
        orders=[order_as("placed", "0.00")],
        spend={CURRENCY: TOTAL},
    )
    day.holds(figures, view)

    # Two days later it is not paid: the salesperson is told.
    overdue = "sales/v1/orders?payment_overdue=true"
    assert rep.get(overdue)["items"] == []
    with platform.clock_ahead("sales", UNPAID):
        eventually(lambda: [each["id"] for each in rep.get(overdue)["items"]], [quote["order_id"]])
    unpaid = rep.get("sales/v1/inbox")["orders_unpaid"]
    assert [(each["id"], each["total"]) for each in unpaid["items"]] == [(quote["order_id"], TOTAL)]
    view.orders = [order_as("placed", "0.00", payment_overdue=True)]
    day.holds(figures, view)

    # It is reminded, and pays in two parts.
    payment = {"order_id": quote["order_id"], "currency": CURRENCY, "method": "transfer"}
    rep.post("sales/v1/receipts", payment | {"amount": FIRST_PART})
    figures.receipts = FIRST_PART
    view.orders = [order_as("placed", FIRST_PART, payment_overdue=True)]
    day.holds(figures, view)
    rep.post("sales/v1/receipts", payment | {"amount": REST})
    figures.receipts = TOTAL
    view.orders = [order_as("paid", TOTAL)]
    day.holds(figures, view)
    assert rep.get(overdue)["items"] == []
    assert rep.get("sales/v1/inbox")["orders_unpaid"]["count"] == 0

    # It is delivered, and a part of it comes back.
    order = rep.post(f"{order_path}/fulfil", {}, rep.get(order_path)["version"])
    view.orders = [order_as("fulfilled", TOTAL, return_status="none")]
    day.holds(figures, view)
    returned = rep.post(
        f"{order_path}/returns",
        {"lines": [{"line_id": order["lines"][0]["id"], "quantity": "1"}], "reason": "Damaged"},
        order["version"],
    )
    assert returned["amount"] == RETURNED
    order = rep.get(order_path)
    assert (order["total"], order["paid_amount"], order["open_amount"]) == (TOTAL, NET, "0.00")
    figures.returns, figures.net_sales = RETURNED, NET
    view.orders = [order_as("fulfilled", NET, RETURNED, return_status="partial")]
    view.spend = {CURRENCY: NET}
    day.holds(figures, view)

    # The story, in its order; the life cycle is known by the day. And it is nobody else's.
    assert day.timeline() == [
        ("lifecycle", "moved"),
        ("opportunity", "opened"),
        ("lead", "converted"),
        ("opportunity", "stage_changed"),
        ("interaction", "visit"),
        ("order", "placed"),
        ("opportunity", "won"),
        ("task", "completed"),
        ("order", "payment_overdue"),
        ("order", "paid"),
        ("order", "fulfilled"),
        ("order", "returned"),
    ]
    outsider = platform.hire("sales_rep", platform.found_team("Elsewhere"))
    for path in (f"customer/v1/accounts/{account_id}/overview", order_path, quote_path, deal_path):
        assert outsider.send("GET", path).status == 404, path
    assert figures_of(outsider) == Figures()


def in_days(days: int) -> str:
    return (datetime.now(UTC).date() + timedelta(days=days)).isoformat()
