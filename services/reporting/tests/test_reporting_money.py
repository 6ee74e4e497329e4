"""Orders, returns and receipts as KPIs, each in its own month."""

from __future__ import annotations

from typing import Any

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, event

EUR = {"currency": "EUR"}
YEAR = {"from": "2026-01-01", "to": "2026-12-31", "grain": "month"}


def ask(reporting: Harness, name: str, **query: Any) -> dict[str, Any]:
    answer = reporting.as_user().get(f"/v1/kpis/{name}", query_string=YEAR | query)
    assert answer.status_code == 200, answer.json
    return answer.json


def by_month(reporting: Harness, name: str) -> dict[str, Any]:
    rows = ask(reporting, name)["rows"]
    return {row["period"]: row["value"] for row in rows if row["value"] not in (0, "0.00", None)}


def order(verb: str, sequence: int, id_: str, **data: Any) -> Any:
    return event(f"crm.sales.order.{verb}.v1", {"id": id_, **EUR, **data}, sequence=sequence)


def test_a_return_lowers_the_month_it_comes_in_and_a_cancelled_order_counts_nowhere(
    anywhere: Harness,
) -> None:
    kept, cancelled = new_id(), new_id()
    placed = {"placed_on": "2026-03-05", "total": "100.00", "status": "placed"}
    change = {
        "return_id": new_id(),
        "returned_on": "2026-04-02",
        "amount": "30.00",
        "lines": [],
    }
    returned = order("returned", 2, kept, **placed | {"status": "fulfilled"}, change=change)
    anywhere.deliver(returned, order("placed", 1, kept, **placed))
    anywhere.deliver(order("placed", 1, cancelled, **placed))
    anywhere.deliver(order("cancelled", 2, cancelled, **placed | {"status": "cancelled"}))
    anywhere.deliver(returned)
    assert by_month(anywhere, "order_value") == {"2026-03": "100.00"}
    assert by_month(anywhere, "returns") == {"2026-04": "30.00"}
    assert by_month(anywhere, "net_sales") == {"2026-03": "100.00", "2026-04": "-30.00"}
    assert by_month(anywhere, "orders") == {"2026-03": 1}
    facts = anywhere.as_user().get("/v1/kpis/net_sales/facts").json["items"]
    assert {fact["id"] for fact in facts} == {kept, change["return_id"]}


def test_an_order_that_goes_to_another_account_is_counted_there(anywhere: Harness) -> None:
    north, south, id_ = new_id(), new_id(), new_id()
    placed = {"placed_on": "2026-03-05", "total": "100.00", "status": "placed"}
    for account, region in ((north, "north"), (south, "south")):
        anywhere.deliver(
            event("crm.customer.account.created.v1", {"id": account, "region": region})
        )
    anywhere.deliver(order("placed", 1, id_, **placed, account_id=north))
    anywhere.deliver(order("changed", 2, id_, **placed, account_id=south))
    answer = anywhere.as_user().get("/v1/kpis/order_value", query_string={"by": "region"}).json
    values = {row["member"]["name"]: row["value"] for row in answer["rows"]}
    assert values == {"south": "100.00"}


def test_a_reversed_receipt_was_never_received(anywhere: Harness) -> None:
    kept, reversed_ = new_id(), new_id()
    data = {"received_on": "2026-05-06", "amount": "70.00", **EUR}
    for id_ in (kept, reversed_):
        told = {"id": id_, **data, "status": "recorded"}
        anywhere.deliver(event("crm.sales.receipt.recorded.v1", told))
    told = {"id": reversed_, **data, "status": "reversed"}
    anywhere.deliver(event("crm.sales.receipt.reversed.v1", told, sequence=2))
    assert by_month(anywhere, "receipts") == {"2026-05": "70.00"}
