"""What a consumer has seen, and what it has parked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import (
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from crm_chassis.database import UTCDateTime, chassis_metadata, new_id, utc_now
from crm_chassis.events import Event

_LONGEST_REASON = 4000

inbox = Table(
    "inbox",
    chassis_metadata,
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("received_at", UTCDateTime, nullable=False),
    Column("body", LargeBinary),
    Index("inbox_received_at", "received_at", "event_id"),
)

parked_events = Table(
    "parked_events",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("event_id", String(64), nullable=False),
    Column("type", String(120), nullable=False),
    Column("handler", String(200), nullable=False),
    Column("reason", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("traceparent", String(64)),
    Column("body", LargeBinary, nullable=False),
    Column("state", String(10), nullable=False),
    Column("parked_at", UTCDateTime, nullable=False),
    Column("settled_at", UTCDateTime),
    Column("settled_by", String(64)),
    Column("settled_because", Text),
    Index("parked_events_state", "state", "parked_at", "id"),
    Index("parked_events_event", "event_id"),
)


def insert_new(
    session: Session, table: Table, rows: Sequence[dict[str, Any]], key: str
) -> set[Any]:
    """Insert the rows whose key is not there yet; two transactions cannot both insert one.

    :returns: the keys of the rows that were inserted.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    statement = (
        dialect.insert(table).on_conflict_do_nothing(index_elements=[key]).returning(table.c[key])
    )
    return set(session.scalars(statement, list(rows)))


# Rows as one JSON parameter: to bind them one by one takes twice the time of all the rest.
_CLAIM = {
    dialect: text(
        f"INSERT INTO inbox (event_id, received_at, body) {rows} "
        "ON CONFLICT DO NOTHING RETURNING event_id"
    )
    .bindparams(bindparam("now", type_=UTCDateTime))
    .columns(inbox.c.event_id)
    for dialect, rows in {
        "postgresql": "SELECT CAST(given ->> 0 AS uuid), :now, convert_to(given ->> 1, 'UTF8') "
        "FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS given",
        # SQLAlchemy keeps a Uuid as 32 digits where the database has no such type.
        "sqlite": "SELECT replace(json_extract(value, '$[0]'), '-', ''), :now, "
        "CAST(json_extract(value, '$[1]') AS BLOB) FROM json_each(:rows) WHERE true",
    }.items()
}


def claim(session: Session, events: Sequence[Event], *, archive: bool) -> list[Event]:
    """Mark the events as seen, in the transaction of their effects.

    :param archive: keep the bodies too, so that projections can be rebuilt from them.
    :returns: those that no committed transaction has claimed before, once each.
    """
    by_id = {event.id: event for event in events}
    rows = [
        (id_, by_id[id_].encode().decode() if archive else None)
        for id_ in sorted(by_id)  # in one order, so that two workers do not deadlock
    ]
    statement = _CLAIM[session.get_bind().dialect.name]
    new = set(session.scalars(statement, {"now": utc_now(), "rows": orjson.dumps(rows).decode()}))
    return [event for id_, event in by_id.items() if id_ in new]


def _storable(text: str) -> str:
    """PostgreSQL's texts hold no NUL, and what is wrong with an event must not be lost for that."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}")


def park(
    session: Session,
    *,
    event_id: str,
    event_type: str,
    handler: str,
    reason: str,
    attempts: int,
    traceparent: str | None,
    body: bytes,
) -> None:
    """Set an event aside with the reason it could not be handled."""
    session.execute(
        insert(parked_events),
        {
            "id": new_id(),
            "event_id": _storable(event_id)[:64],
            "type": _storable(event_type)[:120],
            "handler": handler[:200],
            "reason": _storable(reason)[:_LONGEST_REASON],
            "attempts": attempts,
            "traceparent": traceparent,
            "body": body,
            "state": "parked",
            "parked_at": utc_now(),
        },
    )


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked event as it is stored."""

    id: str
    event_id: str
    body: bytes
    state: str


def is_parked(session: Session, event_id: str, body: bytes) -> bool:
    """True when just these bytes were set aside before, in whatever state that is now."""
    columns = parked_events.c
    same = (columns.event_id == _storable(event_id)[:64]) & (columns.body == body)
    return session.scalar(select(columns.id).where(same).limit(1)) is not None


class NotParked(Exception):
    """There is no such parked event, or it is settled already."""


def take_parked(session: Session, parked_id: str) -> Parked:
    """Lock a parked event for settling.

    :raises NotParked: there is none, or it is settled already.
    """
    columns = parked_events.c
    row = session.execute(
        select(columns.id, columns.event_id, columns.body, columns.state)
        .where(columns.id == parked_id, columns.state == "parked")
        .with_for_update()
    ).one_or_none()
    if row is None:
        raise NotParked(parked_id)
    return Parked(*row)


def unclaim(session: Session, event_id: str) -> None:
    """Forget having seen an event, so that it can be applied in this transaction."""
    session.execute(delete(inbox).where(inbox.c.event_id == event_id))


def settle(session: Session, parked_id: str, state: str, by: str, because: str) -> None:
    """Close a parked event as ``redriven`` or ``discarded``, and keep by whom and why."""
    session.execute(
        update(parked_events)
        .where(parked_events.c.id == parked_id)
        .values(state=state, settled_at=utc_now(), settled_by=by, settled_because=because)
    )


def note_failure(session: Session, parked_id: str, reason: str) -> None:
    """Keep the reason of a redrive that failed."""
    session.execute(
        update(parked_events)
        .where(parked_events.c.id == parked_id)
        .values(reason=_storable(reason)[:_LONGEST_REASON], attempts=parked_events.c.attempts + 1)
    )


def parked_count(session: Session) -> int:
    """How many events wait for a person's decision."""
    return (
        session.scalar(
            select(func.count()).select_from(parked_events).where(parked_events.c.state == "parked")
        )
        or 0
    )


def forget(session: Session, days: int) -> None:
    """Delete ids without a body that were seen more than ``days`` days ago."""
    session.execute(
        delete(inbox).where(
            inbox.c.body.is_(None), inbox.c.received_at < utc_now() - timedelta(days=days)
        )
    )


def type_of(body: bytes) -> str:
    """The type a body names, for what could not be decoded; "unknown" when it names none."""
    try:
        return str(orjson.loads(body)["type"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unknown"
