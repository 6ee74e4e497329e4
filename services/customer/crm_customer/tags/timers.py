"""Rules that are asked by the clock: about all customers when a rule changes, or a day begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.calendar import day_of, start_of
from crm_chassis.scheduler import TimerHandler, set_timers
from crm_customer.kinds import KINDS
from crm_customer.tags.attention import RECONSIDER_TIMER
from crm_customer.tags.commands import NEW_DAY_TIMER, SWEEP_TIMER, moves_with_time, sweep
from crm_customer.tags.evaluation import evaluate
from crm_customer.tags.models import TagRule

_PIECE = 1_000


def on_sweep(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Ask the rules about the next customers, and go on behind the last of them.

    A subject is the kind of customer and the key of the last one that was asked about.
    """
    for subject in subjects:
        kind, _, after = subject.partition(":")
        key = KINDS[kind].model.id
        statement = select(key).order_by(key).limit(_PIECE)
        found = session.scalars(statement.where(key > after) if after else statement).all()
        evaluate(session, kind, found, day_of(session, now))
        if len(found) == _PIECE:
            set_timers(session, SWEEP_TIMER, {f"{kind}:{found[-1]}": now})


def on_reconsider(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Ask the rules about customers that were changed here."""
    for kind in KINDS:
        evaluate(session, kind, subjects, day_of(session, now))


def on_new_day(session: Session, _subjects: Sequence[str], now: datetime) -> None:
    """Ask the rules whose windows moved on, and again tomorrow."""
    active = session.scalars(select(TagRule).where(TagRule.active))
    kinds = {rule.kind for rule in active if moves_with_time(rule)}
    if not kinds:
        return
    sweep(session, kinds, now)
    tomorrow = day_of(session, now) + timedelta(days=1)
    set_timers(session, NEW_DAY_TIMER, {"": start_of(session, tomorrow)})


TIMERS: Mapping[str, TimerHandler] = {
    SWEEP_TIMER: on_sweep,
    RECONSIDER_TIMER: on_reconsider,
    NEW_DAY_TIMER: on_new_day,
}
