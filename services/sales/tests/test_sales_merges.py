"""What sales keeps follows its customers when those are merged, in whatever order it is told."""

import random
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event as database_event

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event
from crm_sales.app import create_app
from crm_sales.merges import MERGED_KEYS
from crm_sales.tables import Tables

DONE, UNDONE = "crm.customer.merge.done.v1", "crm.customer.merge.undone.v1"


def merge(survivor: str, merged: str, kind: str = "account") -> tuple[Event, Event]:
    """A merge, and its end."""
    state = {"id": new_id(), "kind": kind, "survivor_id": survivor, "merged_id": merged}
    return (
        event(DONE, {**state, "status": "done"}, sequence=1),
        event(UNDONE, {**state, "status": "undone"}, sequence=2),
    )


def named(account: str, name: str, **values: Any) -> Event:
    return event("crm.customer.account.created.v1", {"id": account, "name": name, **values})


def opened(sales: Harness, **values: Any) -> dict[str, Any]:
    values = {"name": "Deal", "amount": "100", "currency": "EUR", **values}
    response = sales.as_user().post("/v1/opportunities", json=values)
    assert response.status_code == 201, response.json
    return response.json


def read(sales: Harness, opportunity: dict[str, Any]) -> dict[str, Any]:
    return sales.as_user().get(f"/v1/opportunities/{opportunity['id']}").json


def test_every_column_that_holds_a_customer_follows() -> None:
    holding = {
        f"{table.name}.{column.name}"
        for table in Tables.metadata.tables.values()
        for column in table.c
        if column.name in ("account_id", "contact_id", "related_id")
        and not table.name.startswith("replica_")
    }
    assert holding == MERGED_KEYS.places


def test_a_deal_goes_to_the_survivor_is_told_of_and_comes_back(sales: Harness) -> None:
    kept, gone, contact = new_id(), new_id(), new_id()
    sales.deliver(named(kept, "Northwind"), named(gone, "Northwind Traders"))
    sales.deliver(event("crm.customer.contact.created.v1", {"id": contact}))
    deal = opened(sales, account_id=gone, contact_id=contact)
    other = opened(sales, account_id=kept)
    done, undone = merge(kept, gone)
    sales.deliver(done, done)
    moved = read(sales, deal)
    assert (moved["account_id"], moved["contact_id"]) == (kept, contact)
    (told,) = sales.published("crm.sales.opportunity.changed.v1")
    assert (told.subject, told.sequence) == (deal["id"], moved["version"])
    assert told.data["account_id"] == kept
    assert told.causationid is None or told.causationid == done.id
    sales.deliver(undone)
    assert read(sales, deal)["account_id"] == gone
    assert read(sales, other)["account_id"] == kept


def test_orders_follow_with_their_payment(sales: Harness) -> None:
    kept, gone = new_id(), new_id()
    sales.deliver(named(kept, "Northwind"), named(gone, "Northwind Traders"))
    lines = [{"product_name": "Lens", "quantity": "1", "unit_price": "10.00"}]
    order = {"account_id": gone, "currency": "EUR", "lines": lines}
    rep = sales.as_user()
    placed = rep.post("/v1/orders", json=order)
    assert placed.status_code == 201, placed.json
    done, undone = merge(kept, gone)
    sales.deliver(done)
    path = f"/v1/orders/{placed.json['id']}"
    assert rep.get(path).json["account_id"] == kept
    told = sales.published("crm.sales.order.changed.v1")
    assert [each.data["account_id"] for each in told] == [kept]
    sales.deliver(undone)
    assert rep.get(path).json["account_id"] == gone


def test_a_task_about_a_merged_contact_is_about_the_survivor(sales: Harness) -> None:
    kept, gone = new_id(), new_id()
    for contact in (kept, gone):
        data = {"id": contact, "account_id": None, "name": "Robert"}
        sales.deliver(event("crm.customer.contact.created.v1", data))
    rep = sales.as_user()
    task = {
        "title": "Call",
        "due_at": "2030-01-01T09:00:00Z",
        "related_type": "contact",
        "related_id": gone,
    }
    added = rep.post("/v1/tasks", json=task)
    assert added.status_code == 201, added.json
    done, undone = merge(kept, gone, "contact")
    sales.deliver(done)
    path = f"/v1/tasks/{added.json['id']}"
    moved = rep.get(path).json
    assert (moved["related_id"], moved["contact_id"]) == (kept, kept)
    sales.deliver(undone)
    back = rep.get(path).json
    assert (back["related_id"], back["contact_id"]) == (gone, gone)


def test_the_end_may_be_heard_of_before_the_beginning(sales: Harness) -> None:
    kept, gone = new_id(), new_id()
    sales.deliver(named(gone, "Northwind Traders"))
    deal = opened(sales, account_id=gone)
    done, undone = merge(kept, gone)
    sales.deliver(undone)
    sales.deliver(done)
    assert read(sales, deal)["account_id"] == gone
    assert sales.published("crm.sales.opportunity.changed.v1") == []


def test_who_converts_a_lead_into_the_merged_account_meets_the_survivor(sales: Harness) -> None:
    kept, gone = new_id(), new_id()
    sales.deliver(named(kept, "Northwind"), named(gone, "Northwind Traders"))
    rep = sales.as_user()
    lead = rep.post("/v1/leads", json={"name": "王小明"}).json
    done, undone = merge(kept, gone)
    sales.deliver(done)
    converted = rep.post(
        f"/v1/leads/{lead['id']}/conversion",
        json={"account_id": gone, "amount": "1", "currency": "EUR"},
    )
    assert converted.status_code == 201, converted.json
    assert rep.get(f"/v1/leads/{lead['id']}").json["account_id"] == kept
    (deal,) = rep.get("/v1/opportunities").json["items"]
    assert deal["account_id"] == kept
    sales.deliver(undone)
    assert read(sales, deal)["account_id"] == gone


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_order_duplicates_and_batches_make_no_difference(tmp_path_factory: Any, seed: int) -> None:
    chance = random.Random(seed)
    first, second, third = new_id(), new_id(), new_id()
    to_second, back = merge(second, first)
    to_third, _ = merge(third, second)
    known = [named(key, "Northwind") for key in (first, second, third)]
    events = [to_second, to_third, back, *known]
    folder: Path = tmp_path_factory.mktemp("sales")
    sales = Harness(create_app, "sales", folder)
    sales.deliver(*known)
    deals = [opened(sales, account_id=account) for account in (first, second)]
    shuffled = chance.sample(events * 2, len(events) * 2)
    cut = chance.randint(1, len(shuffled) - 1)
    sales.deliver(*shuffled[:cut])
    deals += [opened(sales, account_id=account) for account in (first, second)]
    sales.deliver(*shuffled[cut:])
    assert [read(sales, deal)["account_id"] for deal in deals] == [first, third] * 2
    sales.close()


def test_quotes_and_contracts_follow_with_as_many_questions_as_one(sales: Harness) -> None:
    kept, gone = new_id(), new_id()
    sales.deliver(named(kept, "Northwind"), named(gone, "Northwind Traders"))
    rep, lines = sales.as_user(), [{"product_name": "Lens", "unit_price": "10.00"}]
    terms = {"title": "T", "amount": "1.00", "starts_on": "2030-01-01", "ends_on": "2030-12-31"}
    of_account = {"account_id": gone, "currency": "EUR"}
    for _ in range(3):
        assert rep.post("/v1/quotes", json=of_account | {"lines": lines}).status_code == 201
        assert rep.post("/v1/contracts", json=of_account | terms).status_code == 201
    asked: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        asked.append(statement)

    engine = sales.service.database.engine
    database_event.listen(engine, "before_cursor_execute", note)
    sales.deliver(merge(kept, gone)[0])
    database_event.remove(engine, "before_cursor_execute", note)
    for part in ("quote_lines", "contract_approvals"):
        assert len([each for each in asked if f"FROM {part}" in each]) == 1
    assert len(sales.published("crm.sales.quote.changed.v1")) == 3
    assert len(sales.published("crm.sales.contract.changed.v1")) == 3
