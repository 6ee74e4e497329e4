"""What events and the clock do to what is kept of customers: one way for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from crm_chassis.calendar import day_of
from crm_chassis.database import utc_now
from crm_chassis.events import Event, Voided
from crm_chassis.scheduler import TimerHandler, set_timers
from crm_customer import conversions, replicas, timeline
from crm_customer.behaviour import commands as behaviour
from crm_customer.followup import commands as followup
from crm_customer.lifecycle import commands as lifecycle
from crm_customer.lifecycle.models import Lifecycle
from crm_customer.replicas import Customers
from crm_customer.tags.evaluation import evaluate

_CONVERTED = "crm.sales.lead.converted.v1"
_PIECE = 500


def on_events(session: Session, events: Sequence[Event]) -> None:
    """Handler of all that other services tell of customers.

    One for all types, so that a batch takes its locks in one order and makes the figures of
    each customer once.
    """
    converted = [event for event in events if event.type == _CONVERTED]
    if converted:
        conversions.on_lead_converted(session, converted)
        session.flush()
    followup.on_activities(session, events)
    about_customers = [event for event in events if _is_about_a_customer(event)]
    customers = replicas.keep(session, about_customers)
    timeline.keep(session, about_customers)
    refresh(session, customers, utc_now())


def on_voided(session: Session, voided: Sequence[Voided]) -> None:
    """Forget what was kept of events that are void, and make the figures anew."""
    customers = replicas.forget(session, voided)
    timeline.forget(session, voided)
    followup.forget_activities(session, voided)
    refresh(session, customers, utc_now())


def on_lapse(session: Session, customer_ids: Sequence[str], now: datetime) -> None:
    """Look again at customers who may have lapsed by now."""
    refresh(session, _lifecycles_of(session, Lifecycle.id.in_(customer_ids)), now)


def on_lifecycle_sweep(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Look again at the next customers, and go on behind the last of them.

    A subject is the key of the last one that was looked at.
    """
    for after in subjects:
        behind = Lifecycle.id > after if after else true()
        customers = _lifecycles_of(session, behind)
        refresh(session, customers, now)
        if len(customers) == _PIECE:
            set_timers(session, lifecycle.SWEEP_TIMER, {max(customers): now})


def refresh(session: Session, customers: Customers, now: datetime) -> None:
    """Bring figures, life cycles and tags of these customers up to date."""
    if not customers:
        return
    behaviour.lock(session, customers)
    order_days = behaviour.recount(session, customers)
    lifecycle.reassess(session, customers, order_days, now)
    session.flush()
    for kind in sorted(set(customers.values())):
        ids = [key for key, its_kind in customers.items() if its_kind == kind]
        evaluate(session, kind, ids, day_of(session, now))


def _is_about_a_customer(event: Event) -> bool:
    """A lead is about nobody until it is converted."""
    if replicas.noun_of(event) != "lead":
        return True
    return bool(event.data["account_id"] or event.data["contact_id"])


def _lifecycles_of(session: Session, condition: ColumnElement[bool]) -> Customers:
    found = session.execute(
        select(Lifecycle.id, Lifecycle.customer_type)
        .where(condition)
        .order_by(Lifecycle.id)
        .limit(_PIECE)
    )
    return dict(found.tuples().all())


TIMERS: Mapping[str, TimerHandler] = {
    lifecycle.LAPSE_TIMER: on_lapse,
    lifecycle.SWEEP_TIMER: on_lifecycle_sweep,
}
