"""Orders: placed, paid, delivered, returned, cancelled, and chased when they are not paid."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from werkzeug.test import TestResponse

from crm_chassis.database import new_id, utc_now
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION

ACCOUNT = new_id()
LINES = [
    {"product_name": "柜子", "quantity": "3", "unit_price": "19.99", "discount_percent": "10"},
    {"product_name": "delivery", "quantity": "1", "unit_price": "6.00", "tax_rate": "19"},
]
ORDER = {"account_id": ACCOUNT, "currency": "EUR", "lines": LINES}
TOTAL = Decimal("61.11")  # 53.97 and 7.14


class Shop:
    """Somebody who sells, and what is asked of the service for it."""

    def __init__(self, sales: Harness, caller: Caller | None = None) -> None:
        self.sales = sales
        self.caller = caller or sales.as_user()
        sales.deliver(event("crm.customer.account.created.v1", {"id": ACCOUNT}))

    def place(self, **values: Any) -> dict[str, Any]:
        return self.done(self.caller.post("/v1/orders", json={**ORDER, **values}))

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        return self.done(self.caller.get(f"/v1/orders/{order['id']}"))

    def act(self, order: dict[str, Any], action: str, **values: Any) -> TestResponse:
        tag = {"If-Match": str(self.order(order)["version"])}
        method = "PUT" if action == "payment-plan" else "POST"
        path = f"/v1/orders/{order['id']}/{action}"
        return self.caller.call(method, path, json=values, headers=tag)

    def pay(self, order: dict[str, Any], amount: str, **values: Any) -> dict[str, Any]:
        return self.done(self.try_to_pay(order, amount, **values))

    def try_to_pay(self, order: dict[str, Any], amount: str, **values: Any) -> TestResponse:
        paid = {"order_id": order["id"], "amount": amount, "currency": order["currency"]}
        return self.caller.post("/v1/receipts", json=paid | values)

    def receivables(self, order: dict[str, Any]) -> list[dict[str, Any]]:
        path = f"/v1/receivables?limit=200&order_id={order['id']}"
        return list(self.done(self.caller.get(path))["items"])

    def bill(self, order: dict[str, Any], **values: Any) -> TestResponse:
        return self.caller.post("/v1/invoices", json={"order_id": order["id"], **values})

    @staticmethod
    def done(response: TestResponse) -> dict[str, Any]:
        assert response.status_code in (200, 201), response.json
        body: dict[str, Any] = response.json
        return body


@pytest.fixture
def shop(sales: Harness) -> Shop:
    return Shop(sales)


def told(sales: Harness, noun: str = "order") -> list[str]:
    """The verbs of what was told of a kind of thing, oldest first."""
    return [event.type.split(".")[3] for event in sales.published() if f".{noun}." in event.type]


def scheduler(sales: Harness, ahead: timedelta) -> Scheduler:
    """The service's scheduler, its clock set ahead."""

    timers = DEFINITION.timers
    return Scheduler("sales", sales.service.database, timers, [], CollectorRegistry(), ahead=ahead)


def after(sales: Harness, ahead: timedelta) -> None:
    """Do what is due when so much time has gone by."""
    clock = scheduler(sales, ahead)
    while clock.step():
        pass


def test_an_order_costs_what_its_lines_do(shop: Shop) -> None:
    order = shop.place()
    first, second = order["lines"]
    assert (first["subtotal"], first["discount"], first["total"]) == ("59.97", "6.00", "53.97")
    assert (second["tax"], second["total"], second["quantity"]) == ("1.14", "7.14", "1")
    assert (order["subtotal"], order["discount"], order["tax"]) == ("65.97", "6.00", "1.14")
    assert order["total"] == order["open_amount"] == str(TOTAL)
    assert order["number"].startswith("SO-")
    (event,) = shop.sales.published()
    assert (event.type, event.data["total"]) == ("crm.sales.order.placed.v1", "61.11")
    assert event.data["lines"][0]["product_name"] == "柜子"


def test_numbers_are_given_once(shop: Shop) -> None:
    assert len({shop.place()["number"] for _ in range(5)}) == 5


def test_a_line_of_a_product_has_its_name_and_list_price(shop: Shop) -> None:
    product = shop.done(
        shop.caller.post(
            "/v1/products", json={"name": "GTX Pro", "list_price": "4821", "currency": "JPY"}
        )
    )
    line = {"product_id": product["id"], "quantity": "2.5"}
    order = shop.place(currency="JPY", lines=[line])
    assert order["lines"][0]["product_name"] == "GTX Pro"
    assert order["total"] == "12053.00"  # half a yen up
    other = shop.caller.post("/v1/orders", json={**ORDER, "lines": [line]})
    assert problem_fields(other) == ["lines.0.unit_price"]


def test_the_opportunity_says_whose_an_order_is(shop: Shop) -> None:
    campaign = new_id()
    shop.sales.deliver(event("crm.marketing.campaign.created.v1", {"id": campaign}))
    deal = shop.done(
        shop.caller.post(
            "/v1/opportunities",
            json={
                "name": "x",
                "amount": "1",
                "currency": "EUR",
                "account_id": ACCOUNT,
                "campaign_id": campaign,
            },
        )
    )
    asked = {"opportunity_id": deal["id"], "currency": "EUR", "lines": LINES}
    order = shop.done(shop.caller.post("/v1/orders", json=asked))
    assert (order["account_id"], order["campaign_id"]) == (ACCOUNT, campaign)
    blind = shop.sales.as_user({"sales.orders.*": "all", "sales.opportunities.read": "own"})
    assert problem_fields(blind.post("/v1/orders", json=asked)) == ["opportunity_id"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"account_id": None}, "account_id"),
        ({"account_id": new_id()}, "account_id"),
        ({"contact_id": new_id()}, "contact_id"),
        ({"campaign_id": new_id()}, "campaign_id"),
        ({"contract_id": new_id()}, "contract_id"),
        ({"currency": "XAU"}, "currency"),
        ({"currency": "ABC"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"lines": []}, "lines"),
        ({"lines": [{"quantity": "1", "unit_price": "1"}]}, "lines.0.product_name"),
        ({"lines": [LINES[0] | {"quantity": "0"}]}, "lines.0.quantity"),
        ({"lines": [LINES[0] | {"quantity": "-1"}]}, "lines.0.quantity"),
        ({"lines": [LINES[0] | {"unit_price": "-0.01"}]}, "lines.0.unit_price"),
        ({"lines": [LINES[0] | {"unit_price": 1.5}]}, "lines.0.unit_price"),
        ({"lines": [LINES[0] | {"unit_price": "1e9"}]}, "lines.0.unit_price"),
        ({"lines": [LINES[0] | {"unit_price": "99999999999999"}]}, "lines.0.unit_price"),
        ({"lines": [LINES[0] | {"discount_percent": "100.01"}]}, "lines.0.discount_percent"),
        ({"lines": [LINES[0] | {"tax_rate": "-1"}]}, "lines.0.tax_rate"),
        ({"lines": [LINES[0] | {"product_id": new_id()}]}, "lines.0.product_id"),
        ({"lines": [LINES[0] | {"product_name": "a\0b"}]}, "lines.0.product_name"),
        ({"lines": [LINES[0] | {"total": "1"}]}, "lines.0.total"),
        ({"opportunity_id": new_id()}, "opportunity_id"),
        ({"owner_id": new_id()}, "owner_id"),
        ({"placed_on": "9999-12-31"}, "placed_on"),
        ({"placed_on": "0001-01-01"}, "placed_on"),
        ({"status": "paid"}, "status"),
        ({"quote_id": new_id()}, "quote_id"),
        ({"payment_plan": {"parts": 2}}, "payment_plan.first_due_on"),
        ({"payment_plan": {"parts": 0, "first_due_on": "2026-12-01"}}, "payment_plan.parts"),
    ],
)
def test_what_is_wrong_with_an_order_is_named(
    shop: Shop, wrong: dict[str, Any], field: str
) -> None:
    refused = shop.caller.post("/v1/orders", json={**ORDER, **wrong})
    assert (refused.status_code, problem_fields(refused)) == (422, [field])
    assert shop.sales.published() == []


def test_an_order_over_nothing_is_paid_at_once(shop: Shop) -> None:
    order = shop.place(lines=[{"product_name": "gift", "quantity": "1", "unit_price": "0"}])
    assert (order["status"], order["paid_on"]) == ("paid", order["placed_on"])
    assert told(shop.sales) == ["placed", "paid"]
    after(shop.sales, timedelta(days=30))
    assert told(shop.sales) == ["placed", "paid"]


def test_an_order_goes_its_way(shop: Shop) -> None:
    order = shop.place()
    assert shop.act(order, "fulfil").status_code == 409
    part = shop.pay(order, "20.00", method="transfer", received_on="2026-01-03")
    assert part["unallocated_amount"] == "0.00"
    assert shop.order(order)["open_amount"] == "41.11"
    shop.pay(order, "41.11", received_on="2026-01-05")
    paid = shop.order(order)
    assert (paid["status"], paid["paid_on"], paid["open_amount"]) == ("paid", "2026-01-05", "0.00")
    assert shop.act(order, "complete").status_code == 409
    shop.done(shop.act(order, "fulfil"))
    shop.done(shop.act(order, "complete"))
    assert shop.act(order, "cancel", reason="late").status_code == 409
    assert told(shop.sales) == ["placed", "changed", "paid", "fulfilled", "completed"]
    assert told(shop.sales, "receipt") == ["recorded", "recorded"]
    changed = shop.sales.published("crm.sales.order.changed.v1")[0]
    assert changed.data["change"] == {"receipt_id": part["id"], "amount": "20.00"}


def test_days_are_in_order(shop: Shop) -> None:
    order = shop.place(placed_on="2026-02-10")
    shop.pay(order, str(TOTAL))
    early = shop.act(order, "fulfil", fulfilled_on="2026-02-09")
    assert problem_fields(early) == ["fulfilled_on"]
    shop.done(shop.act(order, "fulfil", fulfilled_on="2026-02-12"))
    assert problem_fields(shop.act(order, "complete", completed_on="2026-02-11")) == [
        "completed_on"
    ]
    assert problem_fields(shop.act(order, "returns", returned_on="2026-02-11")) == ["returned_on"]


def test_a_change_needs_the_version_that_was_seen(shop: Shop) -> None:
    order = shop.place()
    path = f"/v1/orders/{order['id']}"
    for action in ("/fulfil", "/complete", "/returns"):
        assert shop.caller.post(path + action, json={}).status_code == 428
    shop.pay(order, "1.00")
    stale = {"If-Match": str(order["version"])}
    refused = shop.caller.post(f"{path}/cancel", json={"reason": "x"}, headers=stale)
    assert refused.status_code == 412
    assert shop.caller.patch(path, json={"external_id": "1"}, headers=stale).status_code == 412


def test_what_is_paid_too_much_is_credit_for_another_order(shop: Shop) -> None:
    order, other = shop.place(), shop.place()
    receipt = shop.pay(order, "100.00")
    assert (receipt["unallocated_amount"], shop.order(order)["paid_amount"]) == ("38.89", "61.11")
    path, tag = f"/v1/receipts/{receipt['id']}", {"If-Match": str(receipt["version"])}
    for amount in ("38.90", "0.001"):
        refused = shop.caller.post(
            f"{path}/allocations", json={"order_id": other["id"], "amount": amount}, headers=tag
        )
        assert problem_fields(refused) == ["amount"]
    used = shop.caller.post(f"{path}/allocations", json={"order_id": other["id"]}, headers=tag)
    assert used.json["unallocated_amount"] == "0.00"
    assert [part["amount"] for part in used.json["allocations"]] == ["61.11", "38.89"]
    assert shop.order(other)["open_amount"] == "22.22"
    again = shop.caller.post(f"{path}/allocations", json={"order_id": other["id"]}, headers=tag)
    assert again.status_code == 412


def test_credit_stays_with_its_customer(shop: Shop) -> None:
    receipt = shop.done(
        shop.caller.post(
            "/v1/receipts", json={"account_id": new_id(), "amount": "10.00", "currency": "EUR"}
        )
    )
    refused = shop.caller.post(
        f"/v1/receipts/{receipt['id']}/allocations",
        json={"order_id": shop.place()["id"]},
        headers={"If-Match": "1"},
    )
    assert problem_fields(refused) == ["order_id"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"amount": "0"}, "amount"),
        ({"amount": "-5.00"}, "amount"),
        ({"amount": "0.001"}, "amount"),
        ({"amount": 5}, "amount"),
        ({"currency": "USD"}, "currency"),
        ({"order_id": new_id()}, "order_id"),
        ({"invoice_id": new_id()}, "invoice_id"),
        ({"account_id": new_id()}, "account_id"),
        ({"received_on": "0000-01-01"}, "received_on"),
        ({"unallocated_amount": "1"}, "unallocated_amount"),
    ],
)
def test_what_is_wrong_with_a_receipt_is_named(
    shop: Shop, wrong: dict[str, Any], field: str
) -> None:
    order = shop.place()
    refused = shop.try_to_pay(order, **({"amount": "5.00"} | wrong))
    assert (refused.status_code, problem_fields(refused)) == (422, [field])
    assert shop.order(order)["paid_amount"] == "0.00"


def test_a_receipt_of_nobody_is_refused(shop: Shop) -> None:
    refused = shop.caller.post("/v1/receipts", json={"amount": "5.00", "currency": "EUR"})
    assert problem_fields(refused) == ["account_id"]


def test_a_payment_sent_twice_counts_once(shop: Shop) -> None:
    order = shop.place()
    first = shop.try_to_pay(order, "20.00", external_id="bank-1")
    second = shop.try_to_pay(order, "20.00", external_id="bank-1")
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json["id"] == second.json["id"]
    assert shop.try_to_pay(order, "21.00", external_id="bank-1").status_code == 409
    key = {"Idempotency-Key": "k"}
    paid = {"order_id": order["id"], "amount": "5.00", "currency": "EUR"}
    answers = [shop.caller.post("/v1/receipts", json=paid, headers=key).json for _ in range(2)]
    assert answers[0] == answers[1]
    assert shop.order(order)["paid_amount"] == "25.00"


def test_a_reversed_payment_is_open_again(shop: Shop) -> None:
    order = shop.place()
    receipt = shop.pay(order, "100.00")
    shop.done(shop.act(order, "fulfil"))
    shop.done(shop.act(order, "complete"))
    path = f"/v1/receipts/{receipt['id']}/reversal"
    early = {"reason": "bounced", "reversed_on": "2020-01-01"}
    tag = {"If-Match": str(receipt["version"])}
    assert problem_fields(shop.caller.post(path, json=early, headers=tag)) == ["reversed_on"]
    reversed_ = shop.done(shop.caller.post(path, json={"reason": "bounced"}, headers=tag))
    assert (reversed_["status"], reversed_["unallocated_amount"]) == ("reversed", "0.00")
    assert reversed_["allocations"] == []
    owing = shop.order(order)
    assert (owing["status"], owing["open_amount"]) == ("fulfilled", str(TOTAL))
    assert (owing["paid_on"], owing["completed_on"]) == (None, None)
    tag = {"If-Match": str(reversed_["version"])}
    assert shop.caller.post(path, json={"reason": "x"}, headers=tag).status_code == 409
    after(shop.sales, timedelta(hours=49))
    assert shop.order(order)["payment_overdue"] is True


def test_a_cancelled_order_gives_its_money_back_as_credit(shop: Shop) -> None:
    order = shop.place()
    receipt = shop.pay(order, "30.00")
    invoice = shop.done(shop.bill(order))
    cancelled = shop.done(shop.act(order, "cancel", reason="changed their mind"))
    assert (cancelled["status"], cancelled["open_amount"], cancelled["paid_amount"]) == (
        "cancelled",
        "0.00",
        "0.00",
    )
    assert shop.done(shop.caller.get(f"/v1/receipts/{receipt['id']}"))["unallocated_amount"] == (
        "30.00"
    )
    assert shop.done(shop.caller.get(f"/v1/invoices/{invoice['id']}"))["status"] == "void"
    assert [each["status"] for each in shop.receivables(order)] == ["void"]
    assert shop.try_to_pay(order, "1.00").status_code == 409
    assert shop.bill(order).status_code == 409
    assert shop.act(order, "cancel", reason="again").status_code == 409


def test_goods_come_back_in_part_and_whole(shop: Shop) -> None:
    order = shop.place()
    assert shop.act(order, "returns").status_code == 409
    shop.pay(order, str(TOTAL))
    shop.done(shop.act(order, "fulfil"))
    first, second = (line["id"] for line in order["lines"])
    part = shop.done(
        shop.act(order, "returns", lines=[{"line_id": first, "quantity": "1"}], reason="broken")
    )
    assert part["amount"] == "17.99"
    state = shop.order(order)
    assert (state["return_status"], state["returned_amount"]) == ("partial", "17.99")
    assert state["paid_amount"] == "43.12"
    for lines, field in (
        ([{"line_id": first, "quantity": "2.0001"}], "lines.0.quantity"),
        ([{"line_id": new_id(), "quantity": "1"}], "lines.0.line_id"),
        ([{"line_id": second, "quantity": "0"}], "lines.0.quantity"),
        ([{"line_id": second, "quantity": "0.5"}] * 2, "lines"),
    ):
        assert problem_fields(shop.act(order, "returns", lines=lines)) == [field]
    rest = shop.done(shop.act(order, "returns"))
    assert Decimal(part["amount"]) + Decimal(rest["amount"]) == TOTAL
    state = shop.order(order)
    assert (state["return_status"], state["returned_amount"]) == ("whole", str(TOTAL))
    assert (state["open_amount"], state["paid_amount"]) == ("0.00", "0.00")
    assert problem_fields(shop.act(order, "returns")) == ["lines"]
    listed = shop.caller.get(f"/v1/orders/{order['id']}/returns").json
    assert [each["id"] for each in listed] == [part["id"], rest["id"]]
    (credit,) = shop.done(shop.caller.get("/v1/receipts"))["items"]
    assert credit["unallocated_amount"] == str(TOTAL)
    change = shop.sales.published("crm.sales.order.returned.v1")[0].data["change"]
    assert change["lines"][0] == {
        "line_id": first,
        "product_id": None,
        "quantity": "1.00",
        "amount": "17.99",
    }


def test_an_unpaid_order_is_told_of_once(shop: Shop) -> None:
    order = shop.place()
    after(shop.sales, timedelta(hours=47))
    assert shop.order(order)["payment_overdue"] is False
    after(shop.sales, timedelta(hours=49))
    after(shop.sales, timedelta(hours=72))
    assert told(shop.sales) == ["placed", "payment_overdue"]
    (listed,) = shop.done(shop.caller.get("/v1/orders?payment_overdue=true"))["items"]
    assert listed["id"] == order["id"]
    shop.pay(order, "20.00")
    assert shop.order(order)["payment_overdue"] is True
    shop.pay(order, "41.11")
    assert told(shop.sales)[2:] == ["changed", "paid", "payment_settled"]
    assert shop.done(shop.caller.get("/v1/orders?payment_overdue=true"))["items"] == []


def test_a_payment_in_time_is_the_end_of_it(shop: Shop) -> None:
    order = shop.place()
    shop.pay(order, str(TOTAL))
    after(shop.sales, timedelta(hours=49))
    assert "payment_overdue" not in told(shop.sales)


def test_a_cancelled_order_is_not_overdue_any_more(shop: Shop) -> None:
    order = shop.place()
    after(shop.sales, timedelta(hours=49))
    shop.done(shop.act(order, "cancel", reason="never paid"))
    assert told(shop.sales) == ["placed", "payment_overdue", "cancelled", "payment_settled"]
    assert shop.order(order)["payment_overdue"] is False


def test_the_time_to_pay_is_a_setting(shop: Shop) -> None:
    settings = shop.caller.get("/v1/settings/orders")
    assert settings.json["unpaid_after_hours"] == 48
    tag = {"If-Match": settings.headers["ETag"]}
    for hours in (0, -1, 1.5, "48", 10**9):
        refused = shop.caller.patch(
            "/v1/settings/orders", json={"unpaid_after_hours": hours}, headers=tag
        )
        assert problem_fields(refused) == ["unpaid_after_hours"]
    before = shop.place()
    shop.done(shop.caller.patch("/v1/settings/orders", json={"unpaid_after_hours": 2}, headers=tag))
    order = shop.place()
    after(shop.sales, timedelta(hours=3))
    assert shop.order(order)["payment_overdue"] is True
    assert shop.order(before)["payment_overdue"] is False


def test_instalments_add_up_and_are_paid_in_turn(shop: Shop) -> None:
    order = shop.place(payment_plan={"parts": 3, "first_due_on": "2030-01-31"})
    plan = shop.receivables(order)
    assert [each["amount"] for each in plan] == ["20.37", "20.37", "20.37"]
    assert [each["due_on"] for each in plan] == ["2030-01-31", "2030-02-28", "2030-03-31"]
    assert order["payment_due_at"] is None
    after(shop.sales, timedelta(hours=49))
    assert shop.order(order)["payment_overdue"] is False
    shop.pay(order, "25.00")
    assert [each["status"] for each in shop.receivables(order)] == ["done", "partial", "pending"]
    shop.done(shop.act(order, "fulfil"))  # terms were agreed
    assert shop.act(order, "complete").status_code == 409
    shop.pay(order, "36.11")
    assert {each["status"] for each in shop.receivables(order)} == {"done"}
    state = shop.order(order)
    assert (state["status"], state["open_amount"]) == ("fulfilled", "0.00")
    assert told(shop.sales) == ["placed", "changed", "fulfilled", "paid"]


def test_a_plan_replaces_another_until_something_is_paid(shop: Shop) -> None:
    order = shop.place()
    for instalments, field in (
        ([{"due_on": "2030-01-01", "amount": "61.10"}], "instalments"),
        ([{"due_on": "2030-01-01", "amount": "61.111"}], "instalments.0.amount"),
        ([{"due_on": "2001-01-01", "amount": "61.11"}], "instalments.0.due_on"),
        ([{"due_on": "2030-01-01", "amount": "0"}], "instalments.0.amount"),
        ([], "instalments"),
    ):
        refused = shop.act(order, "payment-plan", instalments=instalments)
        assert problem_fields(refused) == [field]
    shop.done(shop.act(order, "payment-plan", parts=2, first_due_on="2030-01-01"))
    whole = [{"due_on": "2030-01-01", "amount": "61.11"}]
    shop.done(shop.act(order, "payment-plan", instalments=whole))
    states = sorted(each["status"] for each in shop.receivables(order))
    assert states == ["pending", "void", "void"]
    shop.pay(order, "1.00")
    assert shop.act(order, "payment-plan", instalments=whole).status_code == 409


def test_a_receivable_is_overdue_when_its_day_is_over(shop: Shop) -> None:
    today = utc_now().date()
    instalments = [
        {"due_on": str(today), "amount": "11.11"},
        {"due_on": str(today + timedelta(days=10)), "amount": "50.00"},
    ]
    order = shop.place(payment_plan={"instalments": instalments})
    after(shop.sales, timedelta(days=1))
    assert [each["status"] for each in shop.receivables(order)] == ["overdue", "pending"]
    path = "/v1/receivables?status=overdue"
    assert len(shop.done(shop.caller.get(path))["items"]) == 1
    receipt = shop.pay(order, "5.00")
    assert shop.receivables(order)[0]["status"] == "overdue"
    shop.pay(order, "6.11")
    assert shop.receivables(order)[0]["status"] == "done"
    tag = {"If-Match": str(receipt["version"])}
    path = f"/v1/receipts/{receipt['id']}/reversal"
    shop.done(shop.caller.post(path, json={"reason": "bounced"}, headers=tag))
    assert shop.receivables(order)[0]["status"] == "partial"
    after(shop.sales, timedelta(days=1))
    assert shop.receivables(order)[0]["status"] == "overdue"


def test_an_order_is_invoiced_by_instalment(shop: Shop) -> None:
    order = shop.place(payment_plan={"parts": 3, "first_due_on": "2030-01-31"})
    ids = [each["id"] for each in shop.receivables(order)]
    first = shop.done(shop.bill(order, receivable_ids=ids[:1]))
    assert first["due_on"] == "2030-01-31"
    assert problem_fields(shop.bill(order, receivable_ids=[ids[0]])) == ["receivable_ids.0"]
    rest = shop.done(shop.bill(order))
    assert shop.bill(order).status_code == 409
    assert Decimal(first["total"]) + Decimal(rest["total"]) == TOTAL
    assert Decimal(first["tax"]) + Decimal(rest["tax"]) == Decimal(order["tax"])
    paid = shop.pay(order, "40.74", invoice_id=rest["id"])
    assert [each["status"] for each in shop.receivables(order)] == ["pending", "done", "done"]
    path = f"/v1/invoices/{rest['id']}"
    assert shop.done(shop.caller.get(path))["status"] == "paid"
    tag = {"If-Match": shop.caller.get(path).headers["ETag"]}
    assert shop.caller.post(f"{path}/void", json={"reason": "x"}, headers=tag).status_code == 409
    receipt = f"/v1/receipts/{paid['id']}"
    back = {"If-Match": str(paid["version"])}
    shop.done(shop.caller.post(f"{receipt}/reversal", json={"reason": "x"}, headers=back))
    tag = {"If-Match": shop.caller.get(path).headers["ETag"]}
    voided = shop.done(shop.caller.post(f"{path}/void", json={"reason": "wrong"}, headers=tag))
    assert voided["status"] == "void"
    again = shop.done(shop.bill(order))
    assert (again["total"], again["tax"]) == (rest["total"], rest["tax"])
    assert again["number"] != rest["number"]
    assert told(shop.sales, "invoice") == [
        "issued",
        "issued",
        "changed",
        "changed",
        "voided",
        "issued",
    ]


def test_an_invoice_may_give_time(shop: Shop) -> None:
    later = str(utc_now().date() + timedelta(days=30))
    waiting, hurried = shop.place(), shop.place()
    shop.done(shop.bill(waiting, due_on=later))
    shop.done(shop.bill(hurried))
    after(shop.sales, timedelta(hours=49))
    assert shop.order(waiting)["payment_overdue"] is False
    assert shop.order(hurried)["payment_overdue"] is True
    assert problem_fields(shop.bill(shop.place(), due_on="2001-01-01")) == ["due_on"]


def test_a_paid_order_can_be_invoiced(shop: Shop) -> None:
    order = shop.place()
    receipt = shop.pay(order, "61.11")
    invoice = shop.done(shop.bill(order))
    assert (invoice["status"], invoice["total"], invoice["tax"]) == ("paid", "61.11", "1.14")
    assert [each["status"] for each in shop.receivables(order)] == ["done"]
    path = f"/v1/receipts/{receipt['id']}/reversal"
    tag = {"If-Match": str(receipt["version"])}
    shop.done(shop.caller.post(path, json={"reason": "bounced"}, headers=tag))
    assert [each["open_amount"] for each in shop.receivables(order)] == ["61.11"]
    assert shop.done(shop.caller.get(f"/v1/invoices/{invoice['id']}"))["status"] == "issued"


def test_a_return_lowers_what_is_still_to_be_paid(shop: Shop) -> None:
    order = shop.place(payment_plan={"parts": 2, "first_due_on": "2030-01-31"})
    shop.pay(order, "40.00")
    shop.done(shop.act(order, "fulfil"))
    line = [{"line_id": order["lines"][0]["id"], "quantity": "2"}]
    shop.done(shop.act(order, "returns", lines=line))  # 35.98 of 61.11, of which 21.11 are open
    state = shop.order(order)
    assert (state["paid_amount"], state["open_amount"]) == ("25.13", "0.00")
    amounts = [each["amount"] for each in shop.receivables(order)]
    assert sum(map(Decimal, amounts)) == Decimal("25.13")
    assert "paid" in told(shop.sales)
    (receipt,) = shop.done(shop.caller.get("/v1/receipts"))["items"]
    assert receipt["unallocated_amount"] == "14.87"


def test_rows_are_seen_by_who_may_see_them(sales: Harness) -> None:
    team, other = new_id(), new_id()
    grants = {"sales.*": "own"}
    mine = Shop(sales, sales.as_user(grants, team=team))
    order = mine.place(payment_plan={"parts": 2, "first_due_on": "2030-01-31"})
    receipt = mine.pay(order, "10.00")
    invoice = mine.done(mine.bill(order))
    receivable = mine.receivables(order)[0]
    paths = [
        f"/v1/orders/{order['id']}",
        f"/v1/orders/{order['id']}/returns",
        f"/v1/receipts/{receipt['id']}",
        f"/v1/invoices/{invoice['id']}",
        f"/v1/receivables/{receivable['id']}",
    ]
    lists = ["orders", "receipts", "invoices", "receivables"]
    outsider = sales.as_user(grants, team=other)
    colleague = sales.as_user({"sales.*": "team"}, team=team)
    for path in paths:
        assert mine.caller.get(path).status_code == 200
        assert colleague.get(path).status_code == 200
        assert outsider.get(path).status_code == 404
    for resource in lists:
        assert outsider.get(f"/v1/{resource}").json["items"] == []
        assert len(outsider.get(f"/v1/exports/{resource}").get_data().splitlines()) == 1
        assert colleague.get(f"/v1/{resource}").json["items"] != []
        assert sales.as_user({}).get(f"/v1/{resource}").status_code == 403
    tag = {"If-Match": str(mine.order(order)["version"])}
    for action, body in (
        ("fulfil", {}),
        ("complete", {}),
        ("cancel", {"reason": "x"}),
        ("returns", {}),
    ):
        path = f"/v1/orders/{order['id']}/{action}"
        assert outsider.post(path, json=body, headers=tag).status_code == 404
    paid = Shop(sales, outsider).try_to_pay(order, "1.00")
    assert problem_fields(paid) == ["order_id"]
    by_invoice = {"invoice_id": invoice["id"], "amount": "1.00", "currency": "EUR"}
    assert problem_fields(outsider.post("/v1/receipts", json=by_invoice)) == ["invoice_id"]
    assert problem_fields(Shop(sales, outsider).bill(order)) == ["order_id"]
    tag = {"If-Match": str(receipt["version"])}
    path = f"/v1/receipts/{receipt['id']}/reversal"
    assert outsider.post(path, json={"reason": "x"}, headers=tag).status_code == 404


def test_what_belongs_to_an_order_goes_to_its_new_owner(sales: Harness) -> None:
    shop = Shop(sales)
    order = shop.place(payment_plan={"parts": 2, "first_due_on": "2030-01-31"})
    receipt, invoice = shop.pay(order, "10.00"), shop.done(shop.bill(order))
    tag = {"If-Match": str(shop.order(order)["version"])}
    path = f"/v1/orders/{order['id']}"
    boss = sales.as_user()
    shop.done(boss.patch(path, json={"owner_id": boss.id}, headers=tag))
    for path in (f"/v1/receipts/{receipt['id']}", f"/v1/invoices/{invoice['id']}"):
        assert shop.done(boss.get(path))["owner_id"] == boss.id
    assert {each["owner_id"] for each in shop.receivables(order)} == {boss.id}


@pytest.mark.parametrize("field", ["campaign_id", "contract_id"])
def test_an_order_is_not_changed_to_refer_to_what_is_not_there(shop: Shop, field: str) -> None:
    order = shop.place()
    path, tag = f"/v1/orders/{order['id']}", {"If-Match": '"1"'}
    refused = shop.caller.patch(path, json={field: new_id()}, headers=tag)
    assert (refused.status_code, problem_fields(refused)) == (422, [field])
    assert shop.order(order)["version"] == 1
