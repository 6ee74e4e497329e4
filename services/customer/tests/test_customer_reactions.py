"""Whatever order the events come in, and however often, the tables end up the same."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select
from sqlalchemy import event as sa_event

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.inbox import inbox
from crm_chassis.outbox import event_log, outbox
from crm_chassis.testing_harness import Harness, event
from crm_contracts import catalogue
from crm_customer import replicas
from crm_customer.accounts.models import Account
from crm_customer.app import create_app
from crm_customer.behaviour.models import customer_figures
from crm_customer.contacts.models import Contact
from crm_customer.lifecycle.models import Lifecycle, LifecycleMove
from crm_customer.timeline import timeline

FIRST_DAY = date(2025, 1, 1)
KEPT = (
    replicas.orders,
    replicas.order_lines,
    replicas.order_returns,
    replicas.deals,
    replicas.tickets,
    replicas.tasks,
    replicas.leads,
    replicas.campaigns,
    customer_figures,
    LifecycleMove.__table__,
    Lifecycle.__table__,
    timeline,
    Account.__table__,
    Contact.__table__,
)
NOT_COMPARED = {"version", "created_at", "updated_at"}
"""How often a row was written, and when, is not told by events."""


class Story:
    """Two customers, and all that happens with them in two years."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self.customers = [(new_id(), new_id()) for _ in range(2)]
        self._products = [(new_id(), name) for name in "ABC"]
        self._campaigns = [new_id(), new_id()]
        self._states: dict[str, tuple[int, dict[str, Any]]] = {}
        self.events: list[Event] = []

    def told(self) -> list[Event]:
        for key in self._campaigns:
            self._tell("marketing.campaign.created", key, name="秋季促销")
            self._tell("marketing.campaign.status_changed", key, status="active")
        for customer in self.customers:
            self._convert(*customer)
        for _ in range(self._random.randrange(4, 12)):
            self._random.choice((self._order, self._deal, self._ticket, self._task))()
        return self.events

    def _day(self) -> str:
        return str(FIRST_DAY + timedelta(days=self._random.randrange(690)))

    def _whose(self) -> dict[str, Any]:
        account_id, contact_id = self._random.choice(self.customers)
        return {
            "account_id": self._random.choice((account_id, account_id, None)),
            "contact_id": self._random.choice((contact_id, None)),
        }

    def _tell(self, noun: str, key: str, change: dict[str, Any] | None = None, **new: Any) -> None:
        event_type = f"crm.{noun}.v1"
        sequence, state = self._states.get(key, (0, {}))
        contract = catalogue().contract(event_type)
        example = {k: v for k, v in contract.example["data"].items() if k != "change"}
        state = {**example, **state, **new, "id": key}
        self._states[key] = (sequence + 1, state)
        if "change" in contract.example["data"]:
            change = change or contract.example["data"]["change"]
        data = {**state, **({"change": change} if change else {})}
        time = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=len(self.events))
        self.events.append(event(event_type, data, sequence=sequence + 1, time=time))

    def _convert(self, account_id: str, contact_id: str) -> None:
        day = self._day()
        lead = {"name": "李雷", "company": "明光", "campaign_id": self._campaigns[0]}
        facts = {"source": "web", "owner_id": None, "team_id": None}
        change = {
            "from_status": "qualified",
            "seconds_in_status": 60,
            "account": {
                "id": account_id, "name": "明光", "industry": None, "region": None, **facts
            },
            "contact": {
                "id": contact_id, "account_id": account_id, "name": "李雷", "job_title": None,
                "phone": None, "email": None, **facts,
            },
        }  # fmt: skip
        ids = {"account_id": account_id, "contact_id": contact_id}
        self._tell("sales.lead.converted", new_id(), change, **lead, **ids, converted_on=day)

    def _order(self) -> None:
        key, day = new_id(), self._day()
        lines = [self._line() for _ in range(self._random.randrange(3))]
        total = f"{sum(float(line['total']) for line in lines):.2f}"
        self._tell(
            "sales.order.placed",
            key,
            status="placed",
            lines=lines,
            total=total,
            returned_amount="0.00",
            placed_on=day,
            placed_at=f"{day}T03:00:00Z",
            currency=self._random.choice(("CNY", "USD")),
            campaign_id=self._random.choice((None, *self._campaigns)),
            **self._whose(),
        )
        for step in self._random.sample(("pay", "return", "cancel", "hand", "cut"), 2):
            if step == "pay":
                payment = {"receipt_id": new_id(), "amount": total}
                self._tell("sales.order.paid", key, payment, status="paid", paid_on=day)
            elif step == "cancel":
                self._tell("sales.order.cancelled", key, status="cancelled", cancelled_on=day)
            elif step == "hand":
                self._tell("sales.order.changed", key, **self._whose())
            elif step == "cut":
                self._tell("sales.order.changed", key, lines=self._states[key][1]["lines"][:1])
            elif lines:
                back = {"line_id": lines[0]["id"], "product_id": lines[0]["product_id"]}
                back |= {"quantity": "1.00", "amount": "1.00"}
                change = {"return_id": new_id(), "returned_on": day, "amount": "1.00"}
                change |= {"lines": [back]}
                self._tell("sales.order.returned", key, change, returned_amount="1.00")

    def _line(self) -> dict[str, Any]:
        product_id, name = self._random.choice(self._products)
        figures = {"unit_price": "2.00", "discount": "0.00", "tax_rate": "0"}
        quantity = self._random.randrange(1, 5)
        return {
            "id": new_id(), "product_id": product_id, "product_name": name,
            "quantity": f"{quantity}.00", "total": f"{2 * quantity}.00", **figures,
        }  # fmt: skip

    def _deal(self) -> None:
        key, day = new_id(), self._day()
        state = {"opened_on": day, "closed_on": None, "stage_type": "open", **self._whose()}
        self._tell("sales.opportunity.opened", key, **state)
        closed = str(date.fromisoformat(day) + timedelta(days=30))
        how = self._random.choice(("won", "lost", "reopened", "open"))
        if how != "open":
            lost = {"stage_type": "lost", "stage": "lost", "closed_on": closed}
            won = {"stage_type": "won", "stage": "won", "closed_on": closed}
            self._tell(f"sales.opportunity.{'won' if how == 'won' else 'lost'}", key, **(
                won if how == "won" else lost
            ))  # fmt: skip
        if how == "reopened":
            self._tell(
                "sales.opportunity.reopened", key, stage_type="open", closed_on=None, stage="new"
            )

    def _ticket(self) -> None:
        key, day = new_id(), self._day()
        self._tell("service-desk.ticket.opened", key, opened_on=day, status="open", **self._whose())
        self._tell("service-desk.ticket.resolved", key, status="resolved")

    def _task(self) -> None:
        key = new_id()
        self._tell("sales.task.created", key, status="open", **self._whose())
        self._tell("sales.task.completed", key, status="done")


def emptied(customer: Harness) -> None:
    with customer.service.database.transaction() as session:
        for table in (*reversed(KEPT), inbox, outbox, event_log):
            session.execute(delete(table))


def tables(customer: Harness) -> dict[str, list[dict[str, Any]]]:
    with customer.service.database.reading() as session:
        return {
            table.name: sorted(
                (
                    {
                        name: value
                        for name, value in row._mapping.items()
                        if name not in NOT_COMPARED
                    }
                    for row in session.execute(select(table))
                ),
                key=repr,
            )
            for table in KEPT
        }


def assert_same_in_any_order(customer: Harness, told: Sequence[Event], shuffle: Any) -> None:
    emptied(customer)
    customer.deliver(*told)
    in_order = tables(customer)
    emptied(customer)
    again = [*told, *(each for each in told if shuffle.random() < 0.3)]
    shuffle.shuffle(again)
    while again:
        size = shuffle.randrange(1, 9)
        customer.deliver(*again[:size])
        again = again[size:]
    assert tables(customer) == in_order


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    harness = Harness(create_app, "customer", tmp_path_factory.mktemp("kept"))
    yield harness
    harness.close()


@given(seed=st.integers(0, 10**6), shuffle=st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_any_order_and_any_duplicates_give_the_same_tables(
    kept: Harness, seed: int, shuffle: Any
) -> None:
    assert_same_in_any_order(kept, Story(seed).told(), shuffle)
    assert kept.as_user().get("/v1/events/parked").json["items"] == []


def test_it_is_so_on_postgresql(tmp_path: Path, postgres: Any) -> None:
    url = postgres.create_database("customer")
    customer = Harness(create_app, "customer", tmp_path, url)
    try:
        for seed in range(4):
            assert_same_in_any_order(customer, Story(seed).told(), random.Random(seed))
        assert all(tables(customer).values()), "the stories are about all that is kept"
    finally:
        customer.close()


def test_workers_beside_each_other_leave_no_order_out(tmp_path: Path, postgres: Any) -> None:
    url = postgres.create_database("customer")
    customer = Harness(create_app, "customer", tmp_path, url)
    account_id = customer.as_user().post("/v1/accounts", json={"name": "Acme"}).json["id"]
    whose = {"account_id": account_id, "contact_id": None, "lines": [], "status": "placed"}
    told = [
        event(
            "crm.sales.order.placed.v1",
            whose | {"id": new_id(), "total": "1.00", "returned_amount": "0.00"},
        )
        for _ in range(60)
    ]
    try:
        with ThreadPoolExecutor(4) as workers:
            list(workers.map(customer.deliver, told))
        with customer.service.database.reading() as session:
            figures = session.execute(select(customer_figures)).one()
            lifecycle = session.scalars(select(Lifecycle)).one()
        assert (figures.orders, list(figures.spend.values())) == (60, ["60.00"])
        assert lifecycle.stage == "repeat"
    finally:
        customer.close()


@pytest.mark.parametrize("path", ["overview", "timeline"])
def test_the_parts_of_a_customer_come_from_indexes(
    tmp_path: Path, postgres: Any, path: str
) -> None:
    url = postgres.create_database("customer")
    customer = Harness(create_app, "customer", tmp_path, url)
    plans: list[str] = []

    def explained(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith("SELECT") and parameters:
            cursor.execute(f"EXPLAIN {statement}", parameters)
            plans.append("\n".join(line for (line,) in cursor.fetchall()))

    try:
        caller = customer.as_user()
        account = caller.post("/v1/accounts", json={"name": "明光"}).json["id"]
        engine = customer.service.database.engine
        # The tables are empty, where the planner would read them whole if it may.
        sa_event.listen(engine, "begin", lambda on: on.exec_driver_sql("SET enable_seqscan = off"))
        sa_event.listen(engine, "before_cursor_execute", explained)
        assert caller.get(f"/v1/accounts/{account}/{path}").status_code == 200
    finally:
        customer.close()
    large = ("replica_", "timeline", "interactions", "customer_figures", "lifecycles", "accounts")
    scans = [plan for plan in plans if any(f"Seq Scan on {name}" in plan for name in large)]
    assert plans
    assert scans == []
