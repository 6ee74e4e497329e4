"""How often the database is asked: not once for each order."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import event as database_event

from crm_chassis.database import new_id
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Harness, event
from crm_sales.app import DEFINITION

LINES = [{"product_name": name, "quantity": "1", "unit_price": "1.00"} for name in "ab"]


@contextmanager
def counted(sales: Harness) -> Iterator[list[str]]:
    """What the block asks the database."""
    statements: list[str] = []

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("SELECT"):
            statements.append(statement)

    engine = sales.service.database.engine
    database_event.listen(engine, "before_cursor_execute", count)
    yield statements
    database_event.remove(engine, "before_cursor_execute", count)


def place(sales: Harness, count: int) -> None:
    rep = sales.as_user()
    account = event("crm.customer.account.created.v1", {"id": new_id()})
    sales.deliver(account)
    order = {"account_id": account.subject, "currency": "EUR", "lines": LINES}
    for _ in range(count):
        assert rep.post("/v1/orders", json=order).status_code == 201


def test_a_list_is_as_many_questions_however_long_it_is(sales: Harness) -> None:
    asked = []
    for count in (1, 6):
        place(sales, count)
        with counted(sales) as statements:
            sales.as_user().get("/v1/orders?limit=200")
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_many_orders_become_overdue_by_as_many_questions_as_one(sales: Harness) -> None:
    asked = []
    for count in (1, 8):
        place(sales, count)
        later = timedelta(hours=49)
        clock = Scheduler(
            "sales", sales.service.database, DEFINITION.timers, [], CollectorRegistry(), later
        )
        with counted(sales) as statements:
            assert clock.step()
        asked.append(len(statements))
    assert asked[0] == asked[1]
