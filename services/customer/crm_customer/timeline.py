"""What happened to each customer, as one list: a row for each event that is worth telling.

A row is a fact that never changes, keyed by its event. Whose it is follows the state of what it is
about: an order that goes to another customer takes its past along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, Index, String, Table, Uuid, delete, or_, update
from sqlalchemy.orm import Session

from crm_chassis.calendar import day_of, start_of
from crm_chassis.database import Json, UTCDateTime
from crm_chassis.events import Event, Voided
from crm_customer.replicas import SOURCES, insert_new, noun_of
from crm_customer.tables import Tables

timeline = Table(
    "timeline",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("kind", String(20), nullable=False),
    Column("what", String(30), nullable=False),
    Column("ref", Uuid(as_uuid=False), nullable=False),
    Column("account_id", Uuid(as_uuid=False)),
    Column("contact_id", Uuid(as_uuid=False)),
    Column("owner_id", Uuid(as_uuid=False)),
    Column("team_id", Uuid(as_uuid=False)),
    Column("facts", Json, nullable=False),
    Index("timeline_by_account", "account_id", "at", "id"),
    Index("timeline_by_contact", "contact_id", "at", "id"),
    Index("timeline_by_ref", "ref"),
)

_WHOSE = ("account_id", "contact_id", "owner_id", "team_id")


@dataclass(frozen=True, slots=True)
class _Happening:
    """An event that is told of.

    :ivar when: the field with its moment or its business day; None where it is the event's time.
    :ivar facts: the fields that say what it was about.
    """

    when: str | None
    facts: Sequence[str]


_ORDER = ("number", "status", "currency", "total")
_DEAL = ("name", "stage", "amount", "currency")
_TICKET = ("number", "type", "priority", "subject")

_HAPPENINGS = {
    "order": {
        "placed": _Happening("placed_at", _ORDER),
        "paid": _Happening("paid_on", _ORDER),
        "fulfilled": _Happening("fulfilled_on", _ORDER),
        "completed": _Happening("completed_on", _ORDER),
        "cancelled": _Happening("cancelled_on", _ORDER),
        "returned": _Happening("returned_on", (*_ORDER, "amount")),
        "payment_overdue": _Happening(None, _ORDER),
    },
    "opportunity": {
        "opened": _Happening("opened_on", _DEAL),
        "stage_changed": _Happening(None, _DEAL),
        "won": _Happening("closed_on", _DEAL),
        "lost": _Happening("closed_on", (*_DEAL, "lost_reason")),
        "reopened": _Happening(None, _DEAL),
    },
    "ticket": {
        "opened": _Happening("opened_at", _TICKET),
        "resolved": _Happening("resolved_at", _TICKET),
        "reopened": _Happening(None, _TICKET),
        "closed": _Happening("closed_on", _TICKET),
    },
    "task": {"completed": _Happening("completed_at", ("title", "kind"))},
    "lead": {"converted": _Happening("converted_on", ("source", "campaign_id"))},
}


def keep(session: Session, events: Sequence[Event]) -> None:
    """Add what the events tell of, once for each; their states are in the replicas by now."""
    rows = [row for event in events if (row := _row(session, event))]
    insert_new(session, timeline, rows)
    for noun in sorted({noun_of(event) for event in events} & set(_HAPPENINGS)):
        subjects = {event.subject for event in events if noun_of(event) == noun}
        _follow(session, noun, subjects)


def forget(session: Session, voided: Sequence[Voided]) -> None:
    """Take out what events tell of that are void."""
    session.execute(delete(timeline).where(timeline.c.id.in_({each.id for each in voided})))


def _row(session: Session, event: Event) -> dict[str, Any] | None:
    _, _, noun, verb, _ = event.type.split(".")
    happening = _HAPPENINGS.get(noun, {}).get(verb)
    if happening is None:
        return None
    told = event.data | (event.data.get("change") or {})
    return {
        "id": event.id,
        "at": _moment(session, event, told, happening),
        "kind": noun,
        "what": verb,
        "ref": event.subject,
        **dict.fromkeys(_WHOSE),
        "facts": {name: told.get(name) for name in happening.facts},
    }


def _moment(
    session: Session, event: Event, told: Mapping[str, Any], happening: _Happening
) -> datetime:
    """When it happened: of a day gone by, as in an import, only the day is known."""
    text = told.get(happening.when) if happening.when else None
    if text is None:
        return event.time
    if "T" in text:
        return datetime.fromisoformat(text)
    day = date.fromisoformat(text)
    return event.time if day_of(session, event.time) == day else start_of(session, day)


def _follow(session: Session, noun: str, subjects: set[str]) -> None:
    """Let what happened to these be whose they are now."""
    state = SOURCES[noun].table
    moved = or_(*(timeline.c[name].is_distinct_from(state.c[name]) for name in _WHOSE))
    session.execute(
        update(timeline)
        .where(timeline.c.ref == state.c.id, timeline.c.ref.in_(subjects), moved)
        .values({name: state.c[name] for name in _WHOSE})
    )
