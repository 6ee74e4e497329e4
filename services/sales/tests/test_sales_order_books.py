"""Whatever is done with orders, payments and returns, and in which order: the books add up."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from werkzeug.test import TestResponse

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event
from crm_sales.app import create_app

AMOUNTS = st.integers(1, 6000).map(lambda cents: str(Decimal(cents) / 100))
WHICH = st.integers(0, 20)
REFUSALS = (409, 412, 422)


class Books(RuleBasedStateMachine):
    """Two orders of one customer; the money of one may come to count for the other."""

    harness: ClassVar[Harness]
    caller: Caller

    @initialize(plan=st.integers(0, 4))
    def place(self, plan: int) -> None:
        account = new_id()
        self.harness.deliver(event("crm.customer.account.created.v1", {"id": account}))
        self.caller = self.harness.as_user()  # a token lasts a minute
        self.orders: list[str] = []
        self.receipts: list[str] = []
        self.invoices: list[str] = []
        for parts in (0, plan):
            terms = {"payment_plan": {"parts": parts, "first_due_on": "2030-01-31"}}
            order = {
                "account_id": account,
                "currency": "EUR",
                "lines": [
                    {"product_name": "a", "quantity": "3", "unit_price": "9.99", "tax_rate": "19"},
                    {"product_name": "b", "quantity": "0.7", "unit_price": "3.33"},
                ],
            }
            placed = self.caller.post("/v1/orders", json=order | (terms if parts else {}))
            self.orders.append(placed.json["id"])

    def read(self, path: str) -> dict[str, Any]:
        response = self.caller.get(f"/v1/{path}")
        assert response.status_code == 200, response.json
        body: dict[str, Any] = response.json
        return body

    def act(self, path: str, method: str = "POST", **values: Any) -> TestResponse:
        """Do something to what the path begins with, in the version it has."""
        resource, key, _ = path.split("/")
        tag = {"If-Match": str(self.read(f"{resource}/{key}")["version"])}
        response = self.caller.call(method, f"/v1/{path}", json=values, headers=tag)
        assert response.status_code in (200, 201, *REFUSALS), response.json
        return response

    def one(self, of: list[str], which: int) -> str:
        return of[which % len(of)]

    @rule(which=WHICH, amount=AMOUNTS)
    def pay(self, which: int, amount: str) -> None:
        paid = {"order_id": self.one(self.orders, which), "amount": amount, "currency": "EUR"}
        response = self.caller.post("/v1/receipts", json=paid)
        assert response.status_code in (201, *REFUSALS), response.json
        if response.status_code == 201:
            self.receipts.append(response.json["id"])

    @rule(which=WHICH, order=WHICH)
    def use_credit(self, which: int, order: int) -> None:
        if self.receipts:
            receipt = self.one(self.receipts, which)
            to = self.one(self.orders, order)
            self.act(f"receipts/{receipt}/allocations", order_id=to)

    @rule(which=WHICH)
    def reverse(self, which: int) -> None:
        if self.receipts:
            self.act(f"receipts/{self.one(self.receipts, which)}/reversal", reason="bounced")

    @rule(which=WHICH)
    def bill(self, which: int) -> None:
        response = self.caller.post("/v1/invoices", json={"order_id": self.one(self.orders, which)})
        assert response.status_code in (201, *REFUSALS), response.json
        if response.status_code == 201:
            self.invoices.append(response.json["id"])

    @rule(which=WHICH)
    def void(self, which: int) -> None:
        if self.invoices:
            self.act(f"invoices/{self.one(self.invoices, which)}/void", reason="wrong")

    @rule(which=WHICH, parts=st.integers(1, 4))
    def plan(self, which: int, parts: int) -> None:
        path = f"orders/{self.one(self.orders, which)}/payment-plan"
        self.act(path, "PUT", parts=parts, first_due_on="2030-01-31")

    @rule(which=WHICH)
    def fulfil(self, which: int) -> None:
        self.act(f"orders/{self.one(self.orders, which)}/fulfil")

    @rule(which=WHICH)
    def complete(self, which: int) -> None:
        self.act(f"orders/{self.one(self.orders, which)}/complete")

    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        self.act(f"orders/{self.one(self.orders, which)}/cancel", reason="no")

    @rule(which=WHICH, line=WHICH, quantity=st.sampled_from(["0.1", "0.5", "1", "2"]))
    def take_back(self, which: int, line: int, quantity: str) -> None:
        order = self.one(self.orders, which)
        lines = self.read(f"orders/{order}")["lines"]
        part = {"line_id": lines[line % len(lines)]["id"], "quantity": quantity}
        self.act(f"orders/{order}/returns", lines=[part])

    @rule(which=WHICH)
    def take_all_back(self, which: int) -> None:
        self.act(f"orders/{self.one(self.orders, which)}/returns")

    @invariant()
    def everything_adds_up(self) -> None:
        receipts = [self.read(f"receipts/{key}") for key in self.receipts]
        for receipt in receipts:
            counted = sum(Decimal(part["amount"]) for part in receipt["allocations"])
            whole = receipt["amount"] if receipt["status"] == "recorded" else "0"
            assert counted + Decimal(receipt["unallocated_amount"]) == Decimal(whole)
        for key in self.orders:
            self._order_adds_up(key, receipts)

    def _order_adds_up(self, key: str, receipts: list[dict[str, Any]]) -> None:
        order = self.read(f"orders/{key}")
        total, paid, open_, returned = (
            Decimal(order[name])
            for name in ("total", "paid_amount", "open_amount", "returned_amount")
        )
        assert min(paid, open_, returned) >= 0
        if order["status"] == "cancelled":
            assert (paid, open_, returned) == (0, 0, 0)
        else:
            assert paid + open_ + returned == total
            assert (order["status"] == "placed") <= (open_ > 0)
            assert (order["status"] in ("paid", "completed")) <= (open_ == 0)
        parts = [part for each in receipts for part in each["allocations"]]
        assert paid == sum(Decimal(part["amount"]) for part in parts if part["order_id"] == key)
        returns = self.caller.get(f"/v1/orders/{key}/returns").json
        assert returned == sum(Decimal(each["amount"]) for each in returns)
        self._receivables_add_up(key, paid, open_)

    def _receivables_add_up(self, key: str, paid: Decimal, open_: Decimal) -> None:
        listed = self.read(f"receivables?limit=200&order_id={key}")["items"]
        live = [each for each in listed if each["status"] != "void"]
        if live:
            assert sum(Decimal(each["paid_amount"]) for each in live) == paid
            assert sum(Decimal(each["open_amount"]) for each in live) == open_
        for each in live:
            assert (each["status"] == "done") == (Decimal(each["open_amount"]) == 0)
        billed = self.read(f"invoices?limit=200&order_id={key}")["items"]
        standing = {each["id"] for each in billed if each["status"] != "void"}
        assert {each["invoice_id"] for each in live if each["invoice_id"]} <= standing


@pytest.fixture(scope="module")
def harness(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    folder: Path = tmp_path_factory.mktemp("books")
    harness = Harness(create_app, "sales", folder)
    yield harness
    harness.close()


def test_the_books_add_up(harness: Harness) -> None:
    Books.harness = harness
    few = settings(
        max_examples=20,
        stateful_step_count=20,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
    )
    run_state_machine_as_test(Books, settings=few)
