"""How the time of the last contact is kept.

It is no part of a customer's public state: it moves with every call, and whoever needs it hears
of the calls. So it is written beside the customer's version, in one statement for many.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, Table, bindparam, case, delete, func, or_, select, update
from sqlalchemy.orm import Session

from crm_chassis.database import UTCDateTime
from crm_chassis.events import Event, Voided
from crm_chassis.replicas import upsert_newer
from crm_customer.accounts.models import Account
from crm_customer.followup.models import activities
from crm_customer.interactions.models import Interaction
from crm_customer.kinds import KINDS

ACTIVITY_LOGGED = "crm.sales.activity.logged.v1"

_MODELS: Mapping[str, type[Any]] = {kind.key: kind.model for kind in KINDS.values()}
"""In the order in which every transaction takes its locks, so that they never wait in a ring."""


class Contacted(Protocol):
    """Something that passed between us and a customer."""

    @property
    def account_id(self) -> str | None: ...
    @property
    def contact_id(self) -> str | None: ...
    @property
    def occurred_at(self) -> datetime: ...


class _Activity(NamedTuple):
    id: str
    account_id: str | None
    contact_id: str | None
    occurred_at: datetime
    sequence: int


def contacted(session: Session, contacts: Iterable[Contacted]) -> None:
    """Move the last contact of the customers forward to where these were, if they were later.

    A customer who was to be returned to the pool is not any more.
    """
    latest: dict[str, dict[str, datetime]] = defaultdict(dict)
    for contact in contacts:
        for name in _MODELS:
            if key := getattr(contact, name):
                known = latest[name].get(key, contact.occurred_at)
                latest[name][key] = max(known, contact.occurred_at)
    for name, model in _MODELS.items():
        if name in latest:
            _move_forward(session, model, latest[name])


def _move_forward(session: Session, model: type[Any], latest: Mapping[str, datetime]) -> None:
    table: Table = model.__table__
    at = bindparam("at", type_=UTCDateTime)
    values: dict[str, Any] = {"last_contacted_at": at, "updated_at": table.c.updated_at}
    if model is Account:
        values["return_due_at"] = None
    # The condition is checked again once a lock is had: of two at once the later one stays.
    statement = (
        update(table)
        .where(table.c.id == bindparam("key"))
        .where(or_(table.c.last_contacted_at.is_(None), table.c.last_contacted_at < at))
        .values(values)
    )
    session.connection().execute(
        statement, [{"key": key, "at": latest[key]} for key in sorted(latest)]
    )


def recount(session: Session, customers: Mapping[str, Iterable[str]]) -> None:
    """Find the last contact of customers anew, when one of their contacts is not what it was.

    :param customers: ``account_id`` and ``contact_id`` to keys.
    """
    session.flush()
    for name, model in _MODELS.items():
        keys = sorted({key for key in customers.get(name, ()) if key})
        if not keys:
            continue
        table: Table = model.__table__
        # A contact of another transaction is seen only by a statement that begins after it.
        session.execute(
            select(table.c.id).where(table.c.id.in_(keys)).order_by(table.c.id).with_for_update()
        )
        session.execute(
            update(table)
            .where(table.c.id.in_(keys))
            .values(last_contacted_at=_latest(name, table), updated_at=table.c.updated_at)
        )


def _latest(name: str, customers: Table) -> ColumnElement[datetime | None]:
    interaction, activity = (
        select(func.max(source.c.occurred_at))
        .where(source.c[name] == customers.c.id)
        .correlate(customers)
        .scalar_subquery()
        for source in (Interaction.__table__, activities)
    )
    return case((interaction > activity, interaction), else_=func.coalesce(activity, interaction))


def forget_activities(session: Session, voided: Sequence[Voided]) -> None:
    """Forget the activities that are gone, and find the last contact of their customers anew."""
    gone = {each.subject for each in voided if each.gone and each.noun == "activity"}
    if not gone:
        return
    forgotten = session.execute(
        delete(activities)
        .where(activities.c.id.in_(gone))
        .returning(activities.c.account_id, activities.c.contact_id)
    ).all()
    recount(session, {name: [getattr(row, name) for row in forgotten] for name in _MODELS})


def on_activities(session: Session, events: Sequence[Event]) -> None:
    """Take what sales did with customers as contacts, where it was one; a note is none."""
    done = [
        _Activity(
            event.subject,
            event.data["account_id"],
            event.data["contact_id"],
            datetime.fromisoformat(event.data["occurred_at"]),
            event.sequence,
        )
        for event in events
        if event.type == ACTIVITY_LOGGED and event.data["kind"] != "note"
    ]
    upsert_newer(session, activities, [activity._asdict() for activity in done])
    contacted(session, done)
