"""The inbox: all that waits for one person, in few queries."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import event as sql_event
from sqlalchemy import insert, update

from crm_chassis.database import new_id, utc_now
from crm_chassis.fields import instant_text
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.contracts.models import Contract
from crm_sales.follow_ups import commands as follow_ups
from crm_sales.inbox.models import MOST_COUNTED, Day
from crm_sales.leads.models import Lead
from crm_sales.orders.models import Order
from crm_sales.tasks.models import Task

MOST_STATEMENTS = 10


@contextmanager
def statements(sales: Harness) -> Iterator[list[str]]:
    """The SQL that is sent meanwhile."""
    sent: list[str] = []
    engine = sales.service.database.engine

    def count(_conn: object, _cursor: object, statement: str, *_: object) -> None:
        sent.append(statement)

    sql_event.listen(engine, "before_cursor_execute", count)
    yield sent
    sql_event.remove(engine, "before_cursor_execute", count)


def known(sales: Harness, **options: object) -> Caller:
    caller = sales.as_user(**options)
    sales.deliver(
        event(
            "crm.gateway.user.created.v1",
            {"id": caller.id, "name": "李娜", "team_id": None, "active": True},
        )
    )
    return caller


def task(rep: Caller, title: str, due_at: datetime) -> None:
    body = {"title": title, "due_at": instant_text(due_at)}
    assert rep.post("/v1/tasks", json=body).status_code == 201


def agreed(sales: Harness, rep: Caller) -> None:
    """An order that is not paid and a contract that is about to end, for ``rep``."""
    common = {"owner_id": rep.id, "team_id": None, "version": 1, "currency": "CNY"}
    today = utc_now().date()
    amounts = dict.fromkeys(("subtotal", "discount", "tax", "total"), Decimal(100))
    order = {"number": "S-1", "placed_on": today, "placed_at": utc_now(), "payment_overdue": True}
    contract = {"number": "V-1", "title": "年度合同", "status": "active", "amount": Decimal(500)}
    term = {"starts_on": date(2026, 1, 1), "ends_on": today, "reminded_on": today}
    with sales.service.database.transaction() as session:
        session.execute(insert(Order).values(id=new_id(), **common, **order, **amounts))
        session.execute(insert(Contract).values(id=new_id(), **common, **contract, **term))


def test_everything_that_waits_for_one_is_there_and_nothing_of_others(anywhere: Harness) -> None:
    rep, other = known(anywhere), known(anywhere)
    now = utc_now()
    for person in (rep, other):
        waiting = person.post("/v1/leads", json={"name": "王小明"}).json["id"]
        task(person, "late", now - timedelta(hours=1))
        deal = {"name": "张伟", "amount": "100", "currency": "CNY"}
        about = person.post("/v1/opportunities", json=deal).json["id"]
    agreed(anywhere, rep)
    with anywhere.service.database.transaction() as session:
        session.execute(update(Lead).where(Lead.id != waiting).values(reminded_at=now))
        follow_ups.tell_due(session, now + timedelta(days=20))
    body = {"related_type": "opportunity", "related_id": about, "text": "@李娜"}
    other.post("/v1/comments", json={**body, "mentions": [rep.id]})
    inbox = rep.get("/v1/inbox").json
    counts = {name: section["count"] for name, section in inbox.items()}
    assert counts == {
        **dict.fromkeys(inbox, 1),
        "tasks_today": 0,
        "questions": 0,
    }
    assert inbox["tasks_overdue"]["items"][0]["title"] == "late"
    assert inbox["orders_unpaid"]["items"][0]["number"] == "S-1"
    assert inbox["contracts_expiring"]["items"][0]["title"] == "年度合同"
    assert inbox["mentions"]["items"][0]["text"] == "@李娜"
    assert other.get("/v1/inbox").json["orders_unpaid"]["count"] == 0


def test_the_first_of_each_are_shown_and_all_are_counted_with_few_queries(sales: Harness) -> None:
    rep = known(sales)
    due = datetime(2026, 1, 1, tzinfo=UTC)
    row = {"owner_id": rep.id, "due_at": due, "due_on": due.date(), "status": "open"}
    rows = [
        row | {"id": new_id(), "title": str(number), "version": 1, "kind": "todo"}
        for number in range(MOST_COUNTED + 5)
    ]
    with sales.service.database.transaction() as session:
        session.execute(insert(Task), rows)
    with statements(sales) as sent:
        answer = rep.get("/v1/inbox?limit=3")
    assert len([each for each in sent if each.startswith("SELECT")]) <= MOST_STATEMENTS
    overdue = answer.json["tasks_overdue"]
    assert (overdue["count"], len(overdue["items"])) == (MOST_COUNTED, 3)


def test_a_section_without_the_permission_is_null(sales: Harness) -> None:
    rep = sales.as_user({"sales.inbox.read": "own", "sales.tasks.read": "own"})
    inbox = rep.get("/v1/inbox").json
    assert [name for name, section in inbox.items() if section is not None] == [
        "tasks_overdue",
        "tasks_today",
    ]
    assert sales.as_user({"sales.tasks.read": "all"}).get("/v1/inbox").status_code == 403


def test_what_the_query_says_is_checked(sales: Harness) -> None:
    rep = sales.as_user()
    for query in ("limit=0", "limit=51", "time_zone=Mars", "time_zone=../../etc/passwd", "q=x"):
        assert problem_fields(rep.get(f"/v1/inbox?{query}")) == [query.split("=")[0]]
    assert rep.get("/v1/inbox?time_zone=Asia/Shanghai").status_code == 200


@pytest.mark.parametrize(
    ("zone", "start", "hours"),
    [
        ("Asia/Shanghai", "2026-03-28T16:00:00Z", 24),
        ("America/New_York", "2026-03-28T04:00:00Z", 24),
        ("Europe/Berlin", "2026-03-28T23:00:00Z", 23),
    ],
)
def test_a_day_is_that_of_its_zone(zone: str, start: str, hours: int) -> None:
    day = Day.at(datetime(2026, 3, 29, 3, tzinfo=UTC), ZoneInfo(zone))
    assert instant_text(day.start) == start
    assert day.end.astimezone(UTC) - day.start.astimezone(UTC) == timedelta(hours=hours)
