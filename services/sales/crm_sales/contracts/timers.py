"""What becomes of contracts in the course of time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta

from sqlalchemy import select, true
from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales.contracts import events, queries
from crm_sales.contracts.models import Contract
from crm_sales.due import lock_due

START = "sales.contract_start"
REMINDER = "sales.contract_reminder"
END = "sales.contract_end"
SWEEP = "sales.contract_sweep"
"""Sets the reminders of running contracts anew, a few at a time."""

_PIECE = 1_000


def watch(session: Session, contracts: Sequence[Contract], reminder_days: int) -> None:
    """Have approved and active contracts begin, be told of before their end, and end."""
    starts = {
        each.id: calendar.start_of(session, each.starts_on)
        for each in contracts
        if each.status == "approved"
    }
    set_timers(session, START, starts)
    untold = {each.id: each.ends_on for each in contracts if each.reminded_on is None}
    _remind(session, untold, reminder_days)
    ends = {each.id: calendar.end_of(session, each.ends_on) for each in contracts}
    set_timers(session, END, ends)


def _remind(session: Session, ends_on: Mapping[str, date], reminder_days: int) -> None:
    """Have the end of contracts be told so many days before it."""
    ahead = timedelta(days=reminder_days)
    set_timers(
        session,
        REMINDER,
        {key: calendar.start_of(session, day - ahead) for key, day in ends_on.items()},
    )


def unwatch(session: Session, contract: Contract) -> None:
    """Have nothing more happen to a contract by itself."""
    for kind in (START, REMINDER, END):
        cancel_timers(session, kind, [contract.id])


def on_start(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Activate the approved contracts whose term begins."""
    today = calendar.day_of(session, now)
    for contract in lock_due(session, START, Contract, contract_ids, now):
        if contract.status == "approved" and today <= contract.ends_on:
            contract.activate(max(today, contract.starts_on))
            events.contract_told(session, contract, "activated")


def on_reminder(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Tell of the contracts whose term is about to end."""
    today = calendar.day_of(session, now)
    for contract in lock_due(session, REMINDER, Contract, contract_ids, now):
        news = contract.reminded_on is None and today <= contract.ends_on
        if contract.status == "active" and news:
            contract.reminded_on = today
            events.contract_told(session, contract, "expiring")


def on_end(session: Session, contract_ids: Sequence[str], now: datetime) -> None:
    """Have the contracts end whose term is over."""
    for contract in lock_due(session, END, Contract, contract_ids, now):
        if contract.expire():
            events.contract_told(session, contract, "expired")


def on_sweep(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Set the reminders of the next contracts that run, and go on behind the last of them.

    A subject is the key of the last one whose reminder was set.
    """
    reminder_days = queries.settings(session).reminder_days
    for after in subjects:
        running = session.execute(
            select(Contract.id, Contract.ends_on)
            .where(
                Contract.status.in_(("approved", "active")),
                Contract.reminded_on.is_(None),
                Contract.id > after if after else true(),
            )
            .order_by(Contract.id)
            .limit(_PIECE)
        )
        ends_on = dict(running.tuples().all())
        _remind(session, ends_on, reminder_days)
        if len(ends_on) == _PIECE:
            set_timers(session, SWEEP, {max(ends_on): now})


TIMERS = {START: on_start, REMINDER: on_reminder, END: on_end, SWEEP: on_sweep}
