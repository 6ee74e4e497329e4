"""Two records of one customer are made one, everywhere, and two again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest

from crm_local.testing import Person, Running

PERIOD = "from=2000-01-01&to=2199-12-31"
CURRENCY = "EUR"
STATED = ("name", "industry", "region", "phones", "emails", "needs", "external_id")


@dataclass(frozen=True)
class Customer:
    """An account, and what there is of it."""

    account: dict[str, Any]
    contact: str
    order: str
    deal: str
    ticket: str

    @property
    def id(self) -> str:
        return str(self.account["id"])

    def everywhere(self) -> dict[str, list[str]]:
        """What is found of it alone, by :func:`found_of`."""
        return {
            "contacts": [self.contact],
            "orders": [self.order],
            "deals": [self.deal],
            "tickets": [self.ticket],
        }


@pytest.fixture
def new_customer(admin: Person, eventually: Callable[..., Any]) -> Callable[..., Customer]:
    def make(name: str, amount: str, **more: Any) -> Customer:
        account = admin.post("customer/v1/accounts", {"name": name, "kind": "business", **more})
        owned = {"account_id": account["id"]}
        terms = owned | {"currency": CURRENCY}
        contact = admin.post("customer/v1/contacts", {"name": f"Buyer of {name}", **owned})
        eventually(lambda: sent_ticket(admin, owned), 201)
        line = {"product_name": "Pump", "quantity": "1", "unit_price": amount}
        ordered = terms | {"lines": [line]}
        # 422 until sales has heard of the account
        eventually(lambda: admin.send("POST", "sales/v1/orders", ordered).status, 201)
        (order,) = found(admin, "sales/v1/orders", account["id"])
        deal = admin.post("sales/v1/opportunities", terms | {"name": name, "amount": amount})
        (ticket,) = found(admin, "service-desk/v1/tickets", account["id"])
        return Customer(account, contact["id"], order, deal["id"], ticket)

    return make


def sent_ticket(person: Person, owned: dict[str, str]) -> int:
    """The status of a new ticket: 422 until the service desk has heard of the account."""
    ticket = {"subject": "It is loud", "type": "complaint", "channel": "phone", **owned}
    return person.send("POST", "service-desk/v1/tickets", ticket).status


def found(person: Person, path: str, account_id: str) -> list[str]:
    return sorted(item["id"] for item in person.get(f"{path}?account_id={account_id}")["items"])


def found_of(person: Person, account_id: str) -> dict[str, list[str]]:
    """What the lists of every service have of an account."""
    lists = {
        "contacts": "customer/v1/contacts",
        "orders": "sales/v1/orders",
        "deals": "sales/v1/opportunities",
        "tickets": "service-desk/v1/tickets",
    }
    return {name: found(person, path, account_id) for name, path in lists.items()}


def kpis_of(person: Person, account_id: str) -> dict[str, Any]:
    """What the reports have of an account; nothing where it has no share."""

    def value(name: str, asked: str) -> Any:
        rows = person.get(f"reporting/v1/kpis/{name}?by=account&limit=200{asked}")["rows"]
        return next((row["value"] for row in rows if row["member"]["id"] == account_id), None)

    period = f"&{PERIOD}"
    told = {
        "order_value": value("order_value", f"{period}&currency={CURRENCY}"),
        "pipeline": value("pipeline", f"&currency={CURRENCY}"),
        "tickets_opened": value("tickets_opened", period),
    }
    return {name: each for name, each in told.items() if each not in (None, 0, "0.00")}


def seen_of(person: Person, account_id: str) -> dict[str, Any]:
    """What the view of a customer has."""
    view = person.get(f"customer/v1/accounts/{account_id}/overview")
    told = person.get(f"customer/v1/accounts/{account_id}/timeline?limit=100")["items"]
    return {
        "orders": sorted(order["id"] for order in view["orders"]["recent"]),
        "deals": sorted(deal["id"] for deal in view["deals"]["open"]),
        "tickets": sorted(ticket["id"] for ticket in view["tickets"]["open"]),
        "spend": view["behaviour"]["spend"],
        "told": sorted({entry["ref"] for entry in told if entry["kind"] != "lifecycle"}),
    }


def view_of(*customers: Customer, spend: str) -> dict[str, Any]:
    """What :func:`seen_of` is to say of these as one."""
    return {
        "orders": sorted(each.order for each in customers),
        "deals": sorted(each.deal for each in customers),
        "tickets": sorted(each.ticket for each in customers),
        "spend": {CURRENCY: spend},
        "told": sorted(key for each in customers for key in (each.order, each.deal, each.ticket)),
    }


def merge(person: Person, survivor: dict[str, Any], merged: dict[str, Any]) -> Any:
    return person.send(
        "POST",
        "customer/v1/merges",
        {
            "kind": "account",
            "survivor_id": survivor["id"],
            "survivor_version": survivor["version"],
            "merged_id": merged["id"],
            "merged_version": merged["version"],
        },
    )


def account_of(person: Person, customer: Customer) -> Any:
    return person.get(f"customer/v1/accounts/{customer.id}")


def test_one_customer_everywhere_and_two_again(
    admin: Person, new_customer: Callable[..., Customer], eventually: Callable[..., Any]
) -> None:
    first = new_customer("Northwind Trading", "100.10", region="North", emails=["a@nw.example"])
    second = new_customer("North Wind Handel", "200.25", industry="retail", needs="Spare parts")
    apart = {
        each.id: {"order_value": amount, "pipeline": amount, "tickets_opened": 1}
        for each, amount in ((first, "100.10"), (second, "200.25"))
    }
    for each in (first, second):
        eventually(lambda each=each: kpis_of(admin, each.id), apart[each.id])
    eventually(lambda: seen_of(admin, first.id), view_of(first, spend="100.10"))
    before = {each.id: account_of(admin, each) for each in (first, second)}

    answer = merge(admin, before[first.id], before[second.id])
    assert answer.status == 201, answer.data
    one = {
        name: sorted([*mine, *theirs])
        for (name, mine), theirs in zip(
            first.everywhere().items(), second.everywhere().values(), strict=True
        )
    }
    eventually(lambda: found_of(admin, first.id), one)
    assert found_of(admin, second.id) == {name: [] for name in one}
    eventually(lambda: seen_of(admin, first.id), view_of(first, second, spend="300.35"))
    eventually(
        lambda: kpis_of(admin, first.id),
        {"order_value": "300.35", "pipeline": "300.35", "tickets_opened": 2},
    )
    assert kpis_of(admin, second.id) == {}
    survivor = account_of(admin, first)
    assert (survivor["industry"], survivor["region"]) == ("retail", "North")
    assert account_of(admin, second)["merged_into"] == first.id

    done = answer.json()
    admin.post(f"customer/v1/merges/{done['id']}/undo", version=done["version"])
    for each in (first, second):
        eventually(lambda each=each: found_of(admin, each.id), each.everywhere())
        eventually(lambda each=each: kpis_of(admin, each.id), apart[each.id])
        amount = apart[each.id]["order_value"]
        eventually(
            lambda each=each: seen_of(admin, each.id),
            view_of(each, spend=amount),
        )
        again = account_of(admin, each)
        assert {name: again[name] for name in STATED} == {
            name: before[each.id][name] for name in STATED
        }
    for service in ("customer", "sales", "service-desk", "reporting"):
        assert admin.get(f"{service}/v1/events/parked")["items"] == []


def test_of_two_merges_at_once_one_wins(
    platform: Running,
    admin: Person,
    new_customer: Callable[..., Customer],
    eventually: Callable[..., Any],
) -> None:
    first, second = new_customer("Twice 一", "10.00"), new_customer("Twice 二", "20.00")
    records = [account_of(admin, each) for each in (first, second)]
    with ThreadPoolExecutor(2) as pool:  # each into the other
        answers = list(pool.map(lambda pair: merge(admin, *pair), [records, records[::-1]]))
    statuses = sorted(answer.status for answer in answers)
    assert statuses[0] == 201, [answer.data for answer in answers]
    assert statuses[1] in (409, 412), [answer.data for answer in answers]
    done = next(answer for answer in answers if answer.status == 201).json()
    merges = [
        item
        for key in (first.id, second.id)
        for item in admin.get(f"customer/v1/merges?survivor_id={key}")["items"]
    ]
    assert [each["id"] for each in merges] == [done["id"]]
    everything = view_of(first, second, spend="30.00")
    eventually(lambda: seen_of(admin, done["survivor_id"]), everything)
    into = {each.id: account_of(admin, each)["merged_into"] for each in (first, second)}
    assert into == {done["survivor_id"]: None, done["merged_id"]: done["survivor_id"]}
