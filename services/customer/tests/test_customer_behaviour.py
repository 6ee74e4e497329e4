"""What customers bought, as figures: the same whatever order the events come in."""

from __future__ import annotations

from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event

A, B, C = ("A", new_id()), ("B", new_id()), ("C", new_id())


def line(product: tuple[str, str], quantity: str, total: str) -> dict[str, Any]:
    name, product_id = product
    return {
        "id": new_id(),
        "product_id": product_id,
        "product_name": name,
        "quantity": quantity,
        "unit_price": total,
        "discount": "0.00",
        "tax_rate": "0",
        "total": total,
    }


def order(
    account_id: str | None, day: str, *lines: dict[str, Any], verb: str = "placed", **values: Any
) -> Event:
    """An order of the sum of its lines."""
    total = str(sum((float(each["total"]) for each in lines), 0.0))
    sequence = values.pop("sequence", 1)
    data = {
        "id": new_id(),
        "account_id": account_id,
        "contact_id": None,
        "campaign_id": None,
        "status": "placed",
        "currency": "CNY",
        "total": total,
        "returned_amount": "0.00",
        "placed_on": day,
        "placed_at": f"{day}T08:00:00Z",
        "lines": list(lines),
        **values,
    }
    return event(f"crm.sales.order.{verb}.v1", data, sequence=sequence)


def changed(before: Event, verb: str = "changed", **values: Any) -> Event:
    data = {**before.data, **values}
    return event(f"crm.sales.order.{verb}.v1", data, sequence=before.sequence + 1)


def returned(before: Event, of: dict[str, Any], quantity: str, amount: str) -> Event:
    change = {
        "return_id": new_id(),
        "returned_on": before.data["placed_on"],
        "amount": amount,
        "lines": [
            {
                "line_id": of["id"],
                "product_id": of["product_id"],
                "quantity": quantity,
                "amount": amount,
            }
        ],
    }
    values = {"returned_amount": amount, "return_status": "partial", "change": change}
    return changed(before, "returned", **values)


@pytest.fixture
def account(customer: Harness) -> str:
    added = customer.as_user().post("/v1/accounts", json={"name": "杭州明光"})
    return added.json["id"]


def behaviour(customer: Harness, account: str) -> dict[str, Any]:
    response = customer.as_user().get(f"/v1/accounts/{account}/overview")
    assert response.status_code == 200, response.json
    return response.json["behaviour"]


def visit(customer: Harness, account: str) -> None:
    details = {"place": "杭州", "visited_at": "2026-01-05T02:00:00Z"}
    made = customer.as_user().post(
        "/v1/interactions", json={"kind": "visit", "account_id": account, "details": details}
    )
    assert made.status_code == 201, made.json


def test_five_visits_two_purchases_a_thousand_every_three_months_a_and_b(
    customer: Harness, account: str
) -> None:
    for _ in range(5):
        visit(customer, account)
    first = order(account, "2026-01-10", line(A, "3", "600.00"), line(B, "1", "100.00"))
    second = order(account, "2026-04-10", line(A, "1", "200.00"), line(B, "1", "100.00"))
    customer.deliver(first, second)
    figures = behaviour(customer, account)
    assert figures["line"] == "5 | 2 | 1000 | 3 months | A, B"
    assert figures["purchase_cycle_days"] == 90
    assert figures["spend"] == {"CNY": "1000.00"}
    assert (figures["first_order_on"], figures["last_order_on"]) == ("2026-01-10", "2026-04-10")


def test_of_a_customer_nobody_told_of_all_is_zero(customer: Harness, account: str) -> None:
    figures = behaviour(customer, account)
    assert figures["line"] == "0 | 0 | - | - | -"
    assert figures["purchase_cycle_days"] is None


def test_orders_of_one_day_are_two_orders_and_no_cycle(customer: Harness, account: str) -> None:
    customer.deliver(*(order(account, "2026-01-10", line(A, "1", "5.50")) for _ in range(2)))
    figures = behaviour(customer, account)
    assert (figures["orders"], figures["order_days"]) == (2, 1)
    assert figures["purchase_cycle_days"] is None
    assert figures["line"] == "0 | 2 | 11 | - | A"


def test_cancelled_orders_and_what_came_back_count_nowhere(customer: Harness, account: str) -> None:
    kept = line(A, "4", "400.00")
    sold, dropped = (
        order(account, "2026-01-10", kept),
        order(account, "2026-02-10", line(B, "9", "9")),
    )
    customer.deliver(sold, dropped, changed(dropped, "cancelled", status="cancelled"))
    customer.deliver(returned(sold, kept, "3", "300.00"))
    figures = behaviour(customer, account)
    assert (figures["orders"], figures["spend"]) == (1, {"CNY": "100.00"})
    (product,) = figures["products"]
    assert (product["name"], product["quantity"]) == ("A", "1.00")


def test_currencies_are_kept_apart_and_zeros_count_as_orders(
    customer: Harness, account: str
) -> None:
    customer.deliver(
        order(account, "2026-01-10", line(A, "1", "70.00"), currency="USD"),
        order(account, "2026-01-20", line(B, "1", "0.00")),
        order(account, "2026-01-30", line(B, "2", "12.50")),
        order(account, "2026-02-09", total="-2.50"),
    )
    figures = behaviour(customer, account)
    assert figures["spend"] == {"CNY": "10.00", "USD": "70.00"}
    assert figures["currency"] == "CNY"
    assert figures["line"] == "0 | 4 | 10 CNY, 70 USD | 10 days | B, A"


def test_the_preferred_come_by_pieces_then_by_spend(customer: Harness, account: str) -> None:
    customer.deliver(
        order(account, "2026-01-10", line(A, "2", "10"), line(B, "2", "90"), line(C, "3", "1"))
    )
    names = [product["name"] for product in behaviour(customer, account)["products"]]
    assert names == ["C", "B", "A"]


def test_an_order_that_goes_to_another_customer_is_taken_from_the_first(
    customer: Harness, account: str
) -> None:
    other = customer.as_user().post("/v1/accounts", json={"name": "Cancity"}).json["id"]
    sold = order(account, "2026-01-10", line(A, "1", "100.00"))
    customer.deliver(sold, changed(sold, account_id=other))
    assert behaviour(customer, account)["orders"] == 0
    assert behaviour(customer, other)["orders"] == 1


def test_a_contact_has_figures_of_its_own(customer: Harness, account: str) -> None:
    caller = customer.as_user()
    contact = caller.post("/v1/contacts", json={"name": "李雷", "account_id": account}).json["id"]
    customer.deliver(
        order(account, "2026-01-10", line(A, "1", "100.00"), contact_id=contact),
        order(account, "2026-01-11", line(A, "1", "100.00")),
    )
    seen = caller.get(f"/v1/contacts/{contact}/overview").json
    assert seen["contact"]["name"] == "李雷"
    assert seen["behaviour"]["orders"] == 1
    assert behaviour(customer, account)["orders"] == 2
