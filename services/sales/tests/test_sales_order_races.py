"""Orders under PostgreSQL, where things happen at once."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from crm_chassis.database import new_id
from crm_chassis.paging import Listing
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, event
from crm_sales.app import create_app
from crm_sales.invoices.api import LISTING as INVOICES
from crm_sales.invoices.models import Invoice
from crm_sales.orders.api import LISTING as ORDERS
from crm_sales.orders.models import Order
from crm_sales.orders.timers import UNPAID, on_unpaid
from crm_sales.receipts.api import LISTING as RECEIPTS
from crm_sales.receipts.models import Receipt
from crm_sales.receivables.api import LISTING as RECEIVABLES
from crm_sales.receivables.models import Receivable

ACCOUNT = new_id()
TOTAL = Decimal("100.00")
LATER = timedelta(hours=49)


@pytest.fixture(scope="module")
def sales(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[Harness]:
    folder: Path = tmp_path_factory.mktemp("orders")
    harness = Harness(create_app, "sales", folder, postgres.create_database("orders"))
    harness.deliver(event("crm.customer.account.created.v1", {"id": ACCOUNT}))
    yield harness
    harness.close()


@pytest.fixture
def rep(sales: Harness) -> Caller:
    return sales.as_user()


def placed(rep: Caller, **values: Any) -> dict[str, Any]:
    line = {"product_name": "x", "quantity": "4", "unit_price": "25.00"}
    order = {"account_id": ACCOUNT, "currency": "EUR", "lines": [line]}
    response = rep.post("/v1/orders", json=order | values)
    assert response.status_code == 201, response.json
    body: dict[str, Any] = response.json
    return body


def read(rep: Caller, order: dict[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = rep.get(f"/v1/orders/{order['id']}").json
    return body


def payment(order: dict[str, Any], amount: str, **values: Any) -> dict[str, Any]:
    return {"order_id": order["id"], "amount": amount, "currency": "EUR", **values}


def act(rep: Caller, order: dict[str, Any], action: str, **values: Any) -> TestResponse:
    tag = {"If-Match": str(order["version"])}
    return rep.post(f"/v1/orders/{order['id']}/{action}", json=values, headers=tag)


def at_once(*calls: Callable[[], TestResponse]) -> list[TestResponse]:
    """Do things at the same moment, as nearly as can be."""
    ready = threading.Barrier(len(calls))

    def started(call: Callable[[], TestResponse]) -> TestResponse:
        ready.wait(10)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(started, calls))


def told(sales: Harness, order: dict[str, Any]) -> list[str]:
    events = sales.published()
    return [event.type.split(".")[3] for event in events if event.subject == order["id"]]


def test_payments_at_once_are_all_counted_and_never_too_much(sales: Harness, rep: Caller) -> None:
    order = placed(rep, payment_plan={"parts": 3, "first_due_on": "2030-01-31"})
    pay = [lambda: rep.post("/v1/receipts", json=payment(order, "30.00"))] * 6
    receipts = at_once(*pay)
    assert {response.status_code for response in receipts} == {201}
    state = read(rep, order)
    assert (state["status"], state["paid_amount"]) == ("paid", "100.00")
    credit = sum(Decimal(response.json["unallocated_amount"]) for response in receipts)
    assert credit == 6 * 30 - TOTAL
    assert told(sales, order).count("paid") == 1


def test_the_same_payment_at_once_is_one_payment(rep: Caller) -> None:
    order = placed(rep)
    same = payment(order, "30.00", external_id=new_id())
    answers = at_once(*[lambda: rep.post("/v1/receipts", json=same)] * 4)
    assert sorted(response.status_code for response in answers) == [200, 200, 200, 201]
    assert len({response.json["id"] for response in answers}) == 1
    assert read(rep, order)["paid_amount"] == "30.00"


def test_of_two_changes_at_once_one_wins(rep: Caller) -> None:
    order = placed(rep)
    rep.post("/v1/receipts", json=payment(order, "100.00"))
    order = read(rep, order)
    answers = at_once(
        lambda: act(rep, order, "fulfil"),
        lambda: act(rep, order, "cancel", reason="x"),
        lambda: act(rep, order, "fulfil"),
    )
    assert sorted(response.status_code for response in answers) == [200, 412, 412]
    if read(rep, order)["status"] == "fulfilled":
        order = read(rep, order)
        answers = at_once(*[lambda: act(rep, order, "returns")] * 3)
        assert sorted(response.status_code for response in answers) == [201, 412, 412]
        assert read(rep, order)["returned_amount"] == "100.00"


def test_an_invoice_is_issued_once(rep: Caller) -> None:
    order = placed(rep)
    bill = [lambda: rep.post("/v1/invoices", json={"order_id": order["id"]})] * 3
    assert sorted(response.status_code for response in at_once(*bill)) == [201, 409, 409]


def test_a_payment_and_what_takes_it_back_do_not_wait_for_each_other(rep: Caller) -> None:
    for _ in range(5):
        first, second = placed(rep), placed(rep)
        receipt = rep.post("/v1/receipts", json=payment(first, "100.00")).json
        order = read(rep, first)
        tag = {"If-Match": str(receipt["version"])}
        path = f"/v1/receipts/{receipt['id']}"
        answers = at_once(
            lambda p=path, t=tag: rep.post(f"{p}/reversal", json={"reason": "x"}, headers=t),
            lambda o=order: act(rep, o, "cancel", reason="x"),
            lambda p=path, t=tag, s=second: rep.post(
                f"{p}/allocations", json={"order_id": s["id"]}, headers=t
            ),
        )
        assert {response.status_code for response in answers} <= {200, 409, 412}
        left = rep.get(path).json
        counted = sum(Decimal(part["amount"]) for part in left["allocations"])
        whole = TOTAL if left["status"] == "recorded" else 0
        assert counted + Decimal(left["unallocated_amount"]) == whole
        paid = [Decimal(read(rep, each)["paid_amount"]) for each in (first, second)]
        assert sum(paid) == counted


def clock(sales: Harness, handler: Any = on_unpaid) -> Scheduler:
    """A scheduler of its own, two days from now."""
    return Scheduler(
        "sales", sales.service.database, {UNPAID: handler}, [], CollectorRegistry(), LATER
    )


def test_two_schedulers_tell_of_each_unpaid_order_once(sales: Harness, rep: Caller) -> None:
    orders = [placed(rep) for _ in range(40)]
    clocks = [clock(sales), clock(sales)]

    def run(scheduler: Scheduler) -> None:
        while scheduler.step():
            pass

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, clocks))
    for order in orders:
        assert told(sales, order) == ["placed", "payment_overdue"]


def test_what_a_killed_scheduler_did_is_done_once(sales: Harness, rep: Caller) -> None:
    order = placed(rep)

    def killed(session: Session, subjects: Sequence[str], now: datetime) -> None:
        on_unpaid(session, subjects, now)
        session.flush()
        raise OperationalError("COMMIT", None, Exception("gone"))

    with pytest.raises(OperationalError):
        clock(sales, killed).step()
    assert told(sales, order) == ["placed"]
    while clock(sales).step():
        pass
    assert told(sales, order) == ["placed", "payment_overdue"]


def test_a_payment_under_way_is_waited_for(sales: Harness, rep: Caller) -> None:
    order = placed(rep)
    with sales.service.database.transaction() as payer:
        payer.execute(select(Order.id).where(Order.id == order["id"]).with_for_update())
        while clock(sales).step():
            pass
    assert told(sales, order) == ["placed"]
    rep.post("/v1/receipts", json=payment(order, "100.00"))
    while clock(sales).step():
        pass
    assert told(sales, order) == ["placed", "paid"]


ROWS = 20_000
LISTS: list[tuple[type[Any], Listing[Any], list[str]]] = [
    (Order, ORDERS, ["account_id", "contact_id", "owner_id", "team_id", "opportunity_id"]),
    (Receivable, RECEIVABLES, ["order_id", "account_id", "owner_id", "team_id", "invoice_id"]),
    (Invoice, INVOICES, ["order_id", "account_id", "owner_id", "team_id"]),
    (Receipt, RECEIPTS, ["order_id", "account_id", "owner_id", "team_id", "invoice_id"]),
]


LISTED = [model.__tablename__ for model, _, _ in LISTS]


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory, postgres: Any) -> Iterator[Harness]:
    """A service with so many orders that the database thinks about how to find one."""
    folder: Path = tmp_path_factory.mktemp("many")
    harness = Harness(create_app, "sales", folder, postgres.create_database("many_orders"))
    with harness.service.database.engine.begin() as connection:
        for model, _, _ in LISTS:
            _fill(connection, model)
            connection.execute(text(f"ANALYZE {model.__tablename__}"))
    yield harness
    harness.close()


def _fill(connection: Any, model: type[Any]) -> None:
    order_id = "(SELECT id FROM orders OFFSET 0 LIMIT 1)" if model is not Order else "NULL"
    given = {
        "id": "gen_random_uuid()",
        "number": "'N' || n",
        "version": "1",
        "currency": "'EUR'",
        "status": f"'{model.__table__.c.status.default.arg}'",
        "return_status": "'none'",
        "payment_overdue": "n % 500 = 0",
        "position": "1",
        "order_id": order_id,
    }
    values = []
    for column in model.__table__.columns:
        kind = column.type.python_type
        if column.name in given:
            values.append(given[column.name])
        elif kind is Decimal:
            values.append("0" if "paid" in column.name or "returned" in column.name else "n")
        elif kind is datetime:
            values.append("now() - n * interval '1 minute'")
        elif column.nullable and column.name.endswith("_id") and column.name != "external_id":
            values.append("gen_random_uuid()")
        elif column.nullable:
            values.append("NULL")
        else:
            values.append("date '2020-01-01' + n % 2000")
    names = ", ".join(f'"{column.name}"' for column in model.__table__.columns)
    connection.execute(
        text(
            f"INSERT INTO {model.__tablename__} ({names}) "
            f"SELECT {', '.join(values)} FROM generate_series(1, {ROWS}) AS n"
        )
    )


@pytest.mark.parametrize(("model", "listing", "filters"), LISTS, ids=LISTED)
def test_lists_are_read_from_indexes(
    many: Harness, model: type[Any], listing: Listing[Any], filters: list[str]
) -> None:
    queries: list[dict[str, Any]] = [{"sort": sort} for sort in _sorts(listing)]
    queries += [{"sort": _sorts(listing)[0], name: [new_id()]} for name in filters]
    if model is Order:
        queries.append({"sort": "-placed_at", "payment_overdue": [True]})
    with many.service.database.reading() as session:
        for query in queries:
            plan = _plan(session, model, listing, query)
            assert "Index" in plan, (query, plan)
            assert f"Seq Scan on {model.__tablename__}" not in plan, (query, plan)


def _sorts(listing: Listing[Any]) -> list[str]:
    (choices,) = listing.schema().fields["sort"].validators
    return list(choices.choices)


def _plan(session: Session, model: type[Any], listing: Listing[Any], query: dict[str, Any]) -> str:
    lines: list[str] = []

    class Explained(Session):
        def scalars(self, statement: Any, *args: Any, **kwargs: Any) -> Any:  # type: ignore[override]
            dialect = session.get_bind().dialect
            compiled = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
            rows = session.execute(text(f"EXPLAIN {str(compiled).replace(':', chr(92) + ':')}"))
            lines.extend(row[0] for row in rows)
            return session.scalars(statement.limit(0))

    listing.page(Explained(), select(model), {"limit": 25, **query})
    return "\n".join(lines)
