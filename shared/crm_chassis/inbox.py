"""What a consumer has seen, and what it has parked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any

import orjson
from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    TextualSelect,
    Uuid,
    bindparam,
    delete,
    func,
    insert,
    select,
    text,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.database import UTCDateTime, chassis_metadata, insert_into, new_id, utc_now
from crm_chassis.events import Event
from crm_chassis.operations.administration import record_act

_LONGEST_REASON = 4000
_LONGEST_TYPE = 120
_LONGEST_SUBJECT = 64

inbox = Table(
    "inbox",
    chassis_metadata,
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("received_at", UTCDateTime, nullable=False),
    Column("body", LargeBinary),
    Column("type", String(_LONGEST_TYPE)),
    Column("subject", String(_LONGEST_SUBJECT)),
    Column("sequence", BigInteger),
    Index("inbox_received_at", "received_at", "event_id"),
)
"""What an event was about is in its body, where that is kept, and else in the columns behind it;
they are null also where an older version wrote the row."""

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
    statement = (
        insert_into(session, table)
        .on_conflict_do_nothing(index_elements=[key])
        .returning(table.c[key])
    )
    return set(session.scalars(statement, list(rows)))


# Rows as one JSON parameter, to bind them one by one takes twice the time of all the rest; and the
# bodies as one long string that each row has its slice of, because as JSON within JSON they would
# be escaped here and parsed there.
# SQLAlchemy keeps a Uuid as 32 digits where the database has no such type.
_ARCHIVE = {
    "postgresql": "(event_id, received_at, body) "
    "SELECT CAST(given ->> 0 AS uuid), :now, substring(CAST(:bodies AS bytea) "
    "FROM CAST(given ->> 1 AS integer) FOR CAST(given ->> 2 AS integer)) "
    "FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS given",
    "sqlite": "(event_id, received_at, body) "
    "SELECT replace(json_extract(value, '$[0]'), '-', ''), :now, substr(:bodies, "
    "json_extract(value, '$[1]'), json_extract(value, '$[2]')) "
    "FROM json_each(:rows) WHERE true",
}
_MARK = {
    "postgresql": "(event_id, received_at, type, subject, sequence) "
    "SELECT CAST(given ->> 0 AS uuid), :now, given ->> 1, given ->> 2, "
    "CAST(given ->> 3 AS bigint) FROM jsonb_array_elements(CAST(:rows AS jsonb)) AS given",
    "sqlite": "(event_id, received_at, type, subject, sequence) "
    "SELECT replace(json_extract(value, '$[0]'), '-', ''), :now, json_extract(value, '$[1]'), "
    "json_extract(value, '$[2]'), json_extract(value, '$[3]') FROM json_each(:rows) WHERE true",
}


def _inserting(rows: str, *binds: BindParameter[Any]) -> TextualSelect:
    statement = text(f"INSERT INTO inbox {rows} ON CONFLICT DO NOTHING RETURNING event_id")
    now = bindparam("now", type_=UTCDateTime)
    return statement.bindparams(now, *binds).columns(inbox.c.event_id)


_CLAIM = {
    True: {
        dialect: _inserting(rows, bindparam("bodies", type_=LargeBinary))
        for dialect, rows in _ARCHIVE.items()
    },
    False: {dialect: _inserting(rows) for dialect, rows in _MARK.items()},
}


def claim(session: Session, events: Sequence[Event], *, archive: bool) -> list[Event]:
    """Mark the events as seen, in the transaction of their effects.

    :param archive: keep the bodies too, so that projections can be rebuilt from them.
    :returns: those that no committed transaction has claimed before, once each.
    """
    by_id = {event.id: event for event in events}
    ids = sorted(by_id)  # in one order, so that two workers do not deadlock
    given: dict[str, Any] = {"now": utc_now()}
    if archive:
        bodies = [by_id[id_].encode() for id_ in ids]
        rows: list[tuple[Any, ...]] = list(zip(ids, *_slices(bodies), strict=True))
        given["bodies"] = b"".join(bodies)
    else:
        rows = [_mark(by_id[id_]) for id_ in ids]
    given["rows"] = orjson.dumps(rows).decode()
    new = set(session.scalars(_CLAIM[archive][session.get_bind().dialect.name], given).all())
    return [event for id_, event in by_id.items() if id_ in new]


def _mark(event: Event) -> tuple[Any, ...]:
    """What is kept of an event that was seen: enough for its producer to know it again."""
    subject = _storable(event.subject)[:_LONGEST_SUBJECT]
    return event.id, _storable(event.type)[:_LONGEST_TYPE], subject, event.sequence


def _slices(parts: Sequence[bytes]) -> tuple[list[int], list[int]]:
    """Where each of ``parts`` begins when they are put together, from 1 on, and how long it is."""
    lengths = [len(part) for part in parts]
    return list(accumulate(lengths, initial=1))[:-1], lengths


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
            "type": _storable(event_type)[:_LONGEST_TYPE],
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
    type: str
    body: bytes


def is_parked(session: Session, event_id: str, body: bytes) -> bool:
    """True when just these bytes were set aside before, in whatever state that is now."""
    columns = parked_events.c
    same = (columns.event_id == _storable(event_id)[:64]) & (columns.body == body)
    return session.scalar(select(columns.id).where(same).limit(1)) is not None


class NotParked(Exception):
    """There is no such parked event, or it is settled already.

    :ivar state: what it is instead; None when there is none.
    """

    def __init__(self, parked_id: str, state: str | None) -> None:
        super().__init__(parked_id)
        self.state = state


def take_parked(session: Session, parked_id: str) -> Parked:
    """Lock a parked event for settling.

    :raises NotParked: there is none, or it is settled already.
    """
    columns = parked_events.c
    row = session.execute(
        select(columns.id, columns.event_id, columns.type, columns.body, columns.state)
        .where(columns.id == parked_id)
        .with_for_update()
    ).one_or_none()
    if row is None or row.state != "parked":
        raise NotParked(parked_id, row.state if row else None)
    return Parked(row.id, row.event_id, row.type, row.body)


def unclaim(session: Session, event_id: str) -> None:
    """Forget having seen an event, so that it can be applied in this transaction."""
    session.execute(delete(inbox).where(inbox.c.event_id == event_id))


def settle(session: Session, parked: Parked, state: str, by: str, because: str) -> None:
    """Close a parked event as ``redriven`` or ``discarded``, and keep by whom and why."""
    session.execute(
        update(parked_events)
        .where(parked_events.c.id == parked.id)
        .values(state=state, settled_at=utc_now(), settled_by=by, settled_because=because)
    )
    detail = {"event": parked.event_id, "type": parked.type, "because": because}
    record_act(session, f"events.{state}", parked.id, detail, actor=by)


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


@dataclass(frozen=True, slots=True)
class Mark:
    """That an event was seen."""

    event_id: str
    received_at: datetime
    type: str | None


def marks(
    session: Session, since: datetime, until: datetime, after: Mark | None, limit: int
) -> list[Mark]:
    """What was seen since an instant and before another, from the one after ``after`` on."""
    columns = inbox.c
    start = after.received_at if after else since
    statement = select(columns.event_id, columns.received_at, columns.type).where(
        columns.received_at >= start, columns.received_at < until
    )
    if after is not None:
        last = (after.received_at, after.event_id)
        statement = statement.where(tuple_(columns.received_at, columns.event_id) > last)
    ordered = statement.order_by(columns.received_at, columns.event_id).limit(limit)
    return [Mark(*row) for row in session.execute(ordered)]


def decided(session: Session, event_ids: Sequence[str]) -> set[str]:
    """Those of the events that are with a person: parked, or discarded for good."""
    columns = parked_events.c
    with_a_person = columns.state.in_(("parked", "discarded"))
    return set(
        session.scalars(
            select(columns.event_id).where(columns.event_id.in_(event_ids), with_a_person)
        )
    )


def unclaim_all(session: Session, event_ids: Sequence[str]) -> None:
    """Forget having seen events, so that they are applied when they come again."""
    session.execute(delete(inbox).where(inbox.c.event_id.in_(event_ids)))


def type_of(body: bytes) -> str:
    """The type a body names, for what could not be decoded; "unknown" when it names none."""
    try:
        return str(orjson.loads(body)["type"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "unknown"
