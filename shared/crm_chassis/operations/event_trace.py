"""Where an event is: what one service knows of its making, its way, its arrival and its effect.

Nothing in the answers is personal: ids, types, times, and reasons without the values in them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Row, select
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.database import utc_now
from crm_chassis.events import Event, decode
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.outbox import event_log
from crm_chassis.paging import after_row
from crm_contracts.catalogue import UnknownEventType

if TYPE_CHECKING:
    from crm_chassis.service import Service

Answer = dict[str, Any]

_MOST_CAUSED = 200
_LONGEST_REASON = 300
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|\([^()]*\)=\([^()]*\)")


@dataclass(frozen=True, slots=True)
class Effect:
    """A row that an event was applied to.

    :ivar state: "stands", "superseded" by a newer event, or "gone".
    :ivar counted_in: the sums that the row is part of now.
    """

    table: str
    key: str
    state: str
    counted_in: Sequence[str] = ()


Effects = Callable[[Session, Event], Sequence[Effect]]
"""Finds the rows that an event was applied to, in a service that archives events."""


def trace(session: Session, service: Service, event_id: str) -> Answer:
    """What ``service`` knows of an event; for one it never heard of, that it does not."""
    made = next(iter(list_events(session, 1, event_log.c.event_id == event_id)), None)
    return {
        "service": service.name,
        "id": event_id,
        "made": made,
        "published": _published(session, service, made) if made else None,
        "received": _received(session, service, event_id),
        "caused": list_events(session, _MOST_CAUSED, event_log.c.causation_id == event_id),
        "remembers_received_since": utc_now() - timedelta(days=service.settings.inbox_days),
    }


def envelope(row: Row[Any]) -> Answer:
    """An event of the log without its data."""
    event = decode(row.body)
    return {
        "id": event.id,
        "type": event.type,
        "subject": event.subject,
        "sequence": event.sequence,
        "recorded_at": row.recorded_at,
        "actor": event.actor,
        "correlation_id": event.correlationid,
        "causation_id": event.causationid,
        "traceparent": event.traceparent,
    }


def list_events(
    session: Session,
    limit: int,
    *conditions: ColumnElement[bool],
    after: str | None = None,
) -> list[Answer]:
    """Envelopes of the log, newest first, from the one after the event ``after`` on."""
    columns = event_log.c
    statement = select(columns.recorded_at, columns.body).where(*conditions)
    if after is not None:
        statement = statement.where(
            after_row(columns.recorded_at, columns.event_id, after, newest_first=True)
        )
    newest_first = (columns.recorded_at.desc(), columns.event_id.desc())
    return [
        envelope(row) for row in session.execute(statement.order_by(*newest_first).limit(limit))
    ]


def _published(session: Session, service: Service, made: Answer) -> Answer:
    waits = outbox.is_queued(session, made["id"])
    return {
        "waits_in_outbox": waits,
        "confirmed_at": None if waits else outbox.confirmed_at(session, made["id"]),
        "consumers": _consumers(service, made["type"]),
    }


def _consumers(service: Service, event_type: str) -> Sequence[str]:
    try:
        return service.catalogue.contract(event_type).consumers
    except UnknownEventType:  # one of a version that is no more
        return ()


def _received(session: Session, service: Service, event_id: str) -> Answer | None:
    seen = session.execute(select(inbox).where(inbox.c.event_id == event_id)).one_or_none()
    columns = parked_events.c
    parked = session.execute(
        select(parked_events).where(columns.event_id == event_id).order_by(columns.parked_at)
    ).all()
    if seen is None and not parked:
        return None
    body = seen.body if seen is not None else None
    event = decode(body) if body is not None else None
    event_type = event.type if event else seen.type if seen else parked[0].type
    return {
        "at": _arrival(seen, parked),
        "outcome": parked[-1].state if parked else "applied",
        "handler": service.processor.handler_name(event_type) if event_type else None,
        "parked": [_parked(row) for row in parked],
        "effects": _effects(session, service, event),
    }


def _arrival(seen: Row[Any] | None, parked: Sequence[Row[Any]]) -> datetime:
    """A redrive claims an event anew: it arrived when it was parked first."""
    times: list[datetime] = [row.parked_at for row in parked]
    times += [seen.received_at] if seen is not None else []
    return min(times)


def _parked(row: Row[Any]) -> Answer:
    told = ("id", "state", "handler", "attempts", "parked_at", "settled_at", "settled_by")
    return {**{name: row._mapping[name] for name in told}, "reason": without_values(row.reason)}


def without_values(reason: str) -> str:
    """The first line of a reason; what is quoted in it came out of the event, and is left out."""
    first = reason.partition("\n")[0]
    return _QUOTED.sub("\N{HORIZONTAL ELLIPSIS}", first)[:_LONGEST_REASON]


def _effects(session: Session, service: Service, event: Event | None) -> list[Answer]:
    if event is None or service.effects is None:
        return []
    return [asdict(effect) for effect in service.effects(session, event)]
