"""How long the whole view of a customer takes with whom a great deal has happened."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import insert, text

from bench.figures import Figure, Run, Target, Yardstick, median
from bench.history import Company
from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event
from crm_chassis.testing_harness import Caller, Harness
from crm_contracts import catalogue
from crm_customer.app import create_app
from crm_customer.interactions.models import Interaction

_EVENTS = 10_000
_BATCH = 2_000
_ROUNDS = 60
_DAYS = 1_000
_FIRST_DAY = datetime(2024, 1, 1, 9, tzinfo=UTC)
_PRODUCTS = [(new_id(), name) for name in ("GTX Basic", "GTX Pro", "GTX Plus", "MG Special")]
_CAMPAIGNS = [new_id() for _ in range(10)]

Data = dict[str, Any]


def run(run: Run) -> list[Figure]:
    """The view and the first page of the timeline of one customer with 10,000 events."""
    folder = run.folder / "customer"
    folder.mkdir()
    url = run.servers.postgres.create_database("overview")
    with closing(Harness(create_app, "customer", folder, url)) as customer:
        caller = customer.as_user()
        busy, new = (_account(caller, name) for name in ("明光仪器", "Cancity"))
        _others(customer, run.count(200_000, 20_000))
        taken_in = _happen(customer, busy)
        with customer.service.database.engine.connect() as connection:
            connection.execution_options(isolation_level="AUTOCOMMIT").execute(
                text("VACUUM ANALYZE")
            )
        figures = [
            _figure(customer, "overview", busy, new, Target("at most", 20)),
            _figure(customer, "timeline", busy, new, Target("at most", 20)),
        ]
    return [*figures, Figure(f"taking in {_EVENTS:,} events of it", _EVENTS / taken_in, "events/s")]


def _account(caller: Caller, name: str) -> str:
    account: Data = caller.post("/v1/accounts", json={"name": name}).get_json()
    return str(account["id"])


def _figure(customer: Harness, path: str, busy: str, new: str, target: Target) -> Figure:
    """The median time of the answer about a busy customer, beside that about a new one."""
    times: dict[str, list[float]] = {busy: [], new: []}
    for _ in range(_ROUNDS):
        caller = customer.as_user()
        for account_id, seconds in times.items():
            began = time.perf_counter()
            answer = caller.get(f"/v1/accounts/{account_id}/{path}")
            seconds.append(time.perf_counter() - began)
            if answer.status_code != 200:
                raise RuntimeError(answer.get_data(as_text=True))
    name = f"{path} of a customer with {_EVENTS:,} events"
    yardstick = Yardstick("of a new one", 1000 * median(times[new]))
    return Figure(name, 1000 * median(times[busy]), "ms", yardstick, target)


def _others(customer: Harness, number: int) -> None:
    """What happens with other customers meanwhile."""
    company = Company(leads_a_day=50)
    subscribed = {contract.type for contract in catalogue().consumed_by("customer")}
    for _ in range(0, number, _BATCH):
        batch = company.events(_BATCH)
        customer.deliver(*(event for event in batch if event.type in subscribed))


def _happen(customer: Harness, account_id: str) -> float:
    """Let it all happen.

    :returns: how many seconds it took the service to take it in.
    """
    told = list(_events(account_id))
    interactions = [_interaction(account_id, number) for number in range(_EVENTS - len(told))]
    with customer.service.database.transaction() as session:
        session.execute(insert(Interaction), interactions)
    began = time.perf_counter()
    for start in range(0, len(told), _BATCH):
        customer.deliver(*told[start : start + _BATCH])
    return time.perf_counter() - began


def _interaction(account_id: str, number: int) -> Data:
    at = _moment(number)
    kind = ("call", "email", "visit", "meeting")[number % 4]
    return {
        "id": new_id(),
        "version": 1,
        "created_at": at,
        "updated_at": at,
        "kind": kind,
        "direction": "out",
        "channel": kind,
        "account_id": account_id,
        "occurred_at": at,
        "occurred_on": at.date(),
        "subject": "年度回访",
        "participants": [],
        "attachments": 0,
    }


def _moment(number: int) -> datetime:
    return _FIRST_DAY + timedelta(days=number % _DAYS, minutes=number)


def _events(account_id: str) -> Iterator[Event]:
    """9,000 events: orders paid and returned, deals won and lost, tickets, tasks."""
    pick = random.Random(7)
    whose = {"account_id": account_id, "contact_id": None}
    for key in _CAMPAIGNS:
        yield _event("marketing.campaign.created", 1, {"id": key}, utc_now())
    for number in range(2_500):
        at = _moment(number)
        order = whose | _order(pick, at)
        yield _event("sales.order.placed", 1, order, at)
        if number % 5 < 3:
            yield _event("sales.order.paid", 2, order | {"status": "paid"}, at)
        elif number % 5 == 3:
            yield _event("sales.order.cancelled", 2, order | {"status": "cancelled"}, at)
    for number in range(1_500):
        at = _moment(number)
        deal = whose | _deal(pick, at)
        yield _event("sales.opportunity.opened", 1, deal, at)
        if number % 10:
            ended = ("won", "lost")[number % 2]
            closed = {"stage_type": ended, "closed_on": str(at.date() + timedelta(days=30))}
            yield _event(f"sales.opportunity.{ended}", 2, deal | closed, at)
    for number in range(750):
        at = _moment(number)
        ticket = whose | {"id": new_id(), "opened_on": str(at.date()), "status": "open"}
        yield _event("service-desk.ticket.opened", 1, ticket, at)
        if number % 10:
            yield _event("service-desk.ticket.resolved", 2, ticket | {"status": "resolved"}, at)
    for number in range(240):
        task = whose | {"id": new_id(), "status": ("done", "open")[number % 10 == 0]}
        yield _event("sales.task.created", 1, task, _moment(number))


def _order(pick: random.Random, at: datetime) -> Data:
    product_id, name = pick.choice(_PRODUCTS)
    amount = f"{pick.randrange(50, 30_000)}.00"
    line = {
        "id": new_id(),
        "product_id": product_id,
        "product_name": name,
        "quantity": "2.00",
        "unit_price": amount,
        "discount": "0.00",
        "tax_rate": "0",
        "total": amount,
    }
    return {
        "id": new_id(),
        "campaign_id": pick.choice(_CAMPAIGNS),
        "status": "placed",
        "currency": pick.choice(("CNY", "CNY", "USD")),
        "total": amount,
        "returned_amount": "0.00",
        "placed_on": str(at.date()),
        "placed_at": at.isoformat().replace("+00:00", "Z"),
        "lines": [line],
    }


def _deal(pick: random.Random, at: datetime) -> Data:
    return {
        "id": new_id(),
        "campaign_id": pick.choice(_CAMPAIGNS),
        "stage_type": "open",
        "amount": f"{pick.randrange(50, 30_000)}.00",
        "currency": "CNY",
        "opened_on": str(at.date()),
        "closed_on": None,
        "next_step": "Call back",
    }


def _event(name: str, sequence: int, data: Data, at: datetime) -> Event:
    event_type = f"crm.{name}.v1"
    return Event(
        id=new_id(),
        type=event_type,
        source=f"/crm/{name.partition('.')[0]}",
        subject=data["id"],
        time=at,
        sequence=sequence,
        data=catalogue().contract(event_type).example["data"] | data,
        actor="bench",
        correlationid=data["id"],
    )
