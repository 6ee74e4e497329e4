"""Of two people who do the same thing at once one wins; the other is told, and nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import urllib3

from crm_local.testing import Person, Running

CURRENCY = "EUR"
TOTAL = "119.00"


@pytest.fixture
def team(platform: Running) -> str:
    return platform.found_team("Race team")


@pytest.fixture
def rep(platform: Running, team: str) -> Person:
    return platform.hire("sales_rep", team)


def twice(send: Callable[[], urllib3.BaseHTTPResponse]) -> list[urllib3.BaseHTTPResponse]:
    """The answers of two requests that are sent at once, the better one first."""
    with ThreadPoolExecutor(2) as pool:
        sent = [pool.submit(send) for _ in range(2)]
        return sorted((each.result() for each in sent), key=lambda answer: answer.status)


def problem_of(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.data
    told = answer.json()
    assert told["detail"], told
    return answer.status, told["type"].rpartition(":")[2]


def test_two_approvals_of_a_contract(
    platform: Running,
    admin: Person,
    team: str,
    rep: Person,
    eventually: Callable[..., Any],
) -> None:
    manager = platform.hire("sales_manager", team)
    rule = {"team_id": team, "amount_from": "0", "position": 1, "approver_id": manager.id}
    eventually(lambda: admin.send("POST", "sales/v1/approval-rules", rule).status, 201)
    # It starts much later: on its first day the worker would activate it by itself.
    term = {"starts_on": "2199-01-01", "ends_on": "2199-12-31"}
    terms = {"title": "Once", "amount": TOTAL, "currency": CURRENCY, **term}
    contract = rep.post("sales/v1/contracts", terms)
    path = f"sales/v1/contracts/{contract['id']}"
    contract = rep.post(f"{path}/submit", version=contract["version"])

    approve = f"{path}/approve"
    won, lost = twice(lambda: manager.send("POST", approve, {}, contract["version"]))
    assert won.status == 200, won.data
    assert problem_of(lost) == (412, "changed-meanwhile")
    after = rep.get(path)
    assert (after["status"], after["version"]) == ("approved", contract["version"] + 1)
    assert [each["decision"] for each in after["approvals"]] == ["approved"]
    again = manager.send("POST", approve, {}, after["version"])
    assert problem_of(again)[0] == 409
    assert rep.get(path) == after


def test_two_payments_of_an_order(
    admin: Person, rep: Person, eventually: Callable[..., Any]
) -> None:
    account = rep.post("customer/v1/accounts", {"name": "Race & Söhne", "kind": "business"})
    line = {"product_name": "Pump", "quantity": "1", "unit_price": "100", "tax_rate": "19"}
    body = {"account_id": account["id"], "currency": CURRENCY, "lines": [line]}
    # 422 until sales has heard of the account
    eventually(lambda: rep.send("POST", "sales/v1/orders", body).status, 201)
    (order,) = rep.get(f"sales/v1/orders?account_id={account['id']}")["items"]
    payment = {
        "order_id": order["id"],
        "order_version": order["version"],
        "amount": TOTAL,
        "currency": CURRENCY,
    }
    won, lost = twice(lambda: rep.send("POST", "sales/v1/receipts", payment))
    assert won.status == 201, won.data
    assert problem_of(lost) == (412, "changed-meanwhile")
    after = rep.get(f"sales/v1/orders/{order['id']}")
    assert (after["status"], after["paid_amount"], after["open_amount"]) == ("paid", TOTAL, "0.00")
    receipts = rep.get(f"sales/v1/receipts?account_id={account['id']}")["items"]
    assert [each["id"] for each in receipts] == [won.json()["id"]]
    assert receipts[0]["unallocated_amount"] == "0.00"

    def told() -> tuple[str | None, str | None]:
        path = "reporting/v1/kpis/receipts?from=2000-01-01&to=2199-12-31&by=account&limit=200"
        rows = admin.get(path)["rows"]
        reported = (row["value"] for row in rows if row["member"]["id"] == account["id"])
        view = admin.send("GET", f"customer/v1/accounts/{account['id']}/overview").json()
        seen = (each["paid_amount"] for each in view["orders"]["recent"])
        return next(reported, None), next(seen, None)

    eventually(told, (TOTAL, TOTAL))
