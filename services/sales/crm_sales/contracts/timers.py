"""What becomes of contracts in the course of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from crm_chassis import calendar
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales.contracts import events
from crm_sales.contracts.models import Contract
from crm_sales.due import lock_due

START = "sales.contract_start"
REMINDER = "sales.contract_reminder"
END = "sales.contract_end"


def watch(session: Session, contracts: Sequence[Contract], reminder_days: int) -> None:
    """Have approved and active contracts begin, be told of before their end, and end."""
    days_ahead = timedelta(days=reminder_days)
    starts = {
        each.id: calendar.start_of(session, each.starts_on)
        for each in contracts
        if each.status == "approved"
    }
    set_timers(session, START, starts)
    remind(session, contracts, days_ahead)
    ends = {each.id: calendar.end_of(session, each.ends_on) for each in contracts}
    set_timers(session, END, ends)


def remind(session: Session, contracts: Iterable[Contract], days_ahead: timedelta) -> None:
    """Have the end of contracts be told so long before it, unless it was told already."""
    due = {
        each.id: calendar.start_of(session, each.ends_on - days_ahead)
        for each in contracts
        if each.reminded_on is None
    }
    set_timers(session, REMINDER, due)


def unwatch(session: Session, contract: Contract) -> None:
    """Have nothing more happen to a contract by itself."""
    for kind in (START, REMINDER, END):
        cancel_timers(session, kind, [contract.id])


def _due(
    session: Session, kind: str, contract_ids: Sequence[str], now: datetime
) -> Iterator[Contract]:
    locked = [contract.id for contract in lock_due(session, kind, Contract, contract_ids, now)]
    with_chain = select(Contract).where(Contract.id.in_(locked))
    yield from session.scalars(with_chain.options(selectinload(Contract.approvals)))


def on_start(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Activate the approved contracts whose term begins."""
    today = calendar.day_of(session, now)
    for contract in _due(session, START, contract_ids, now):
        if contract.status == "approved" and today <= contract.ends_on:
            contract.activate(max(today, contract.starts_on))
            events.contract_told(session, contract, "activated")


def on_reminder(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Tell of the contracts whose term is about to end."""
    today = calendar.day_of(session, now)
    for contract in _due(session, REMINDER, contract_ids, now):
        news = contract.reminded_on is None and today <= contract.ends_on
        if contract.status == "active" and news:
            contract.reminded_on = today
            events.contract_told(session, contract, "expiring")


def on_end(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Have the contracts end whose term is over."""
    for contract in _due(session, END, contract_ids, now):
        if contract.expire():
            events.contract_told(session, contract, "expired")


TIMERS = {START: on_start, REMINDER: on_reminder, END: on_end}
