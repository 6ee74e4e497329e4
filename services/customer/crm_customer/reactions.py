"""What events and the clock do to what is kept of customers: one way for both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.scheduler import TimerHandler, set_timers
from crm_customer import conversions, replicas, timeline
from crm_customer.behaviour import commands as behaviour
from crm_customer.clock import Clock
from crm_customer.followup import commands as followup
from crm_customer.lifecycle import commands as lifecycle
from crm_customer.lifecycle.models import Lifecycle
from crm_customer.replicas import Customers
from crm_customer.tags.evaluation import evaluate

_CONVERTED = "crm.sales.lead.converted.v1"
_PIECE = 500


class Reactions:
    """:param clock: tells the business day."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    @property
    def timers(self) -> Mapping[str, TimerHandler]:
        return {
            lifecycle.LAPSE_TIMER: self.on_lapse,
            lifecycle.SWEEP_TIMER: self.on_lifecycle_sweep,
        }

    def on_events(self, session: Session, events: Sequence[Event]) -> None:
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
        timeline.keep(session, about_customers, self._clock)
        self.refresh(session, customers, self._clock.now())

    def on_lapse(self, session: Session, customer_ids: Sequence[str], now: datetime) -> None:
        """Look again at customers who may have lapsed by now."""
        self.refresh(session, _lifecycles_of(session, Lifecycle.id.in_(customer_ids)), now)

    def on_lifecycle_sweep(self, session: Session, subjects: Sequence[str], now: datetime) -> None:
        """Look again at the next customers, and go on behind the last of them.

        A subject is the key of the last one that was looked at.
        """
        for after in subjects:
            behind = Lifecycle.id > after if after else true()
            customers = _lifecycles_of(session, behind)
            self.refresh(session, customers, now)
            if len(customers) == _PIECE:
                set_timers(session, lifecycle.SWEEP_TIMER, {max(customers): now})

    def refresh(self, session: Session, customers: Customers, now: datetime) -> None:
        """Bring figures, life cycles and tags of these customers up to date."""
        if not customers:
            return
        behaviour.lock(session, customers)
        order_days = behaviour.recount(session, customers)
        lifecycle.reassess(session, customers, order_days, self._clock, now)
        session.flush()
        for kind in sorted(set(customers.values())):
            ids = [key for key, its_kind in customers.items() if its_kind == kind]
            evaluate(session, kind, ids, self._clock.day_of(now))


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
