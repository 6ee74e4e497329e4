"""The event log, the queue into it, and :func:`record`.

``event_log`` keeps every event of the service, by month, and serves replay. ``outbox`` is only the
short queue of those that the broker has not confirmed. Both rows are written in the transaction
of the change that they tell of.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Protocol, TypeVar, cast
from uuid import UUID

import orjson
from opentelemetry.propagate import inject
from sqlalchemy import (
    Column,
    Connection,
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
)
from sqlalchemy.orm import Session

from crm_chassis.context import Origin, current_origin
from crm_chassis.database import UTCDateTime, chassis_metadata, new_id, utc_now
from crm_chassis.events import Event
from crm_contracts.catalogue import Catalogue

event_log = Table(
    "event_log",
    chassis_metadata,
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("recorded_at", UTCDateTime, primary_key=True),
    Column("type", String(120), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("sequence", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("causation_id", Uuid(as_uuid=False)),
    Index("event_log_recorded_at", "recorded_at", "event_id"),
    Index("event_log_subject", "subject"),
    Index(
        "event_log_causation",
        "causation_id",
        postgresql_where=text("causation_id IS NOT NULL"),
        sqlite_where=text("causation_id IS NOT NULL"),
    ),
    postgresql_partition_by="RANGE (recorded_at)",
)

outbox = Table(
    "outbox",
    chassis_metadata,
    Column("event_id", Uuid(as_uuid=False), primary_key=True),
    Column("recorded_at", UTCDateTime, nullable=False),
)

relay_batches = Table(
    "relay_batches",
    chassis_metadata,
    Column("last_id", Uuid(as_uuid=False), primary_key=True),
    Column("first_id", Uuid(as_uuid=False), primary_key=True),
    Column("confirmed_at", UTCDateTime, primary_key=True),
    Column("event_ids", LargeBinary, nullable=False),
)
"""What the broker confirmed together, kept as long as the log: 16 bytes an event, in order."""


class ContractViolation(ValueError):
    """An event does not keep its contract; nothing of the transaction is kept."""


class Aggregate(Protocol):
    """What an event is about: it has a key and counts its changes."""

    id: Any
    version: Any


A = TypeVar("A", bound=Aggregate)


@dataclass(frozen=True, slots=True)
class _Pending:
    """An event whose state and sequence are read when the transaction ends."""

    type: str
    aggregate: Any
    state: Callable[[Any], dict[str, Any]]
    change: Mapping[str, Any] | None
    cause: Event | None
    origin: Origin | None


_PENDING = "crm_pending_events"
_RECORDED = "crm_recorded_events"


def record(
    session: Session,
    event_type: str,
    aggregate: A,
    state: Callable[[A], dict[str, Any]],
    *,
    change: Mapping[str, Any] | None = None,
    cause: Event | None = None,
) -> None:
    """Let ``session``'s transaction tell of a change, if and only if it commits.

    :param state: gives the aggregate's public state; called when the transaction ends, so that
        several events of one transaction tell of one and the same state.
    :param change: the facts of this change, under ``data.change``.
    :param cause: the event that a handler reacts to.
    """
    pending = session.info.setdefault(_PENDING, [])
    pending.append(_Pending(event_type, aggregate, state, change, cause, current_origin()))


def discard(session: Session) -> None:
    """Forget what was recorded so far in the session's transaction."""
    session.info.pop(_PENDING, None)


class Recorder:
    """Writes what was recorded in a transaction into the log and the queue, as the last step of it.

    :param source: the service's name.
    :param catalogue: holds the contract each event is checked against.
    """

    def __init__(self, source: str, catalogue: Catalogue) -> None:
        self._source = source
        self._catalogue = catalogue

    def write(self, session: Session) -> None:
        """Hook for :attr:`crm_chassis.database.Database.before_commit`.

        :raises ContractViolation: naming each place where an event breaks its contract.
        """
        pending: list[_Pending] = session.info.pop(_PENDING, [])
        if not pending:
            return
        now = utc_now()
        carrier: dict[str, str] = {}
        inject(carrier)
        events = [self._event(entry, now, carrier.get("traceparent")) for entry in pending]
        session.execute(
            insert(event_log),
            [
                {
                    "event_id": event.id,
                    "recorded_at": now,
                    "type": event.type,
                    "subject": event.subject,
                    "sequence": event.sequence,
                    "body": event.encode(),
                    "causation_id": event.causationid,
                }
                for event in events
            ],
        )
        enqueue(session, [(event.id, now) for event in events])
        session.info[_RECORDED] = True

    def _event(self, entry: _Pending, now: datetime, traceparent: str | None) -> Event:
        data = entry.state(entry.aggregate)
        if entry.change is not None:
            data["change"] = dict(entry.change)
        contract = self._catalogue.contract(entry.type)
        if contract.producer != self._source:
            raise ContractViolation(f"{entry.type} is {contract.producer}'s to publish")
        if violations := contract.check(data):
            raise ContractViolation(f"{entry.type}: {'; '.join(violations)}")
        origin = entry.origin or Origin(actor=self._source)
        event_id = new_id()
        correlation = entry.cause.correlationid if entry.cause else origin.correlation_id
        return Event(
            id=event_id,
            type=entry.type,
            source=f"/crm/{self._source}",
            subject=str(entry.aggregate.id),
            time=now,
            sequence=entry.aggregate.version,
            data=data,
            actor=origin.actor,
            correlationid=correlation or event_id,
            causationid=entry.cause.id if entry.cause else None,
            traceparent=traceparent or (entry.cause.traceparent if entry.cause else None),
        )


def recorded(session: Session) -> bool:
    """True after a transaction that wrote events."""
    return bool(session.info.get(_RECORDED))


def enqueue(session: Session, events: Sequence[tuple[str, datetime]]) -> None:
    """Put events of the log, given as (id, recorded at), into the queue to the broker."""
    session.execute(
        insert(outbox), [{"event_id": event, "recorded_at": at} for event, at in events]
    )


@dataclass(frozen=True, slots=True)
class Queued:
    """An event on its way to the broker."""

    event_id: str
    type: str
    body: bytes


# Each is looked up by its key, not joined: of a queue that is mostly empty the planner knows
# nothing, and would read the whole log. As text a body comes in half the time.
_QUEUED = {
    dialect: text(statement).columns(outbox.c.event_id, event_log.c.type, Column("body", Text))
    for dialect, statement in {
        "postgresql": """
            SELECT oldest.event_id, entry.type, entry.body
            FROM (SELECT event_id, recorded_at FROM outbox ORDER BY event_id LIMIT :limit) AS oldest
            CROSS JOIN LATERAL (
                SELECT type, convert_from(body, 'UTF8') AS body FROM event_log
                WHERE event_id = oldest.event_id AND recorded_at = oldest.recorded_at OFFSET 0
            ) AS entry
            ORDER BY oldest.event_id
            """,
        "sqlite": """
            SELECT event_id, type, CAST(body AS TEXT)
            FROM (SELECT event_id, recorded_at FROM outbox ORDER BY event_id LIMIT :limit)
            JOIN event_log USING (event_id, recorded_at)
            ORDER BY event_id
            """,
    }.items()
}


def queued(connection: Connection, limit: int) -> list[Queued]:
    """The oldest ``limit`` events that the broker has not confirmed, oldest first."""
    rows = connection.execute(_QUEUED[connection.dialect.name], {"limit": limit})
    return [Queued(event_id, event_type, body.encode()) for event_id, event_type, body in rows]


# The ids as one JSON parameter: binding a thousand takes longer than deleting them. And one
# statement where that can be: a second one takes as long again.
_NOW = bindparam("now", type_=UTCDateTime)
_CONFIRMED = {
    "postgresql": [
        text(
            """
            WITH confirmed AS (
                DELETE FROM outbox WHERE event_id IN (
                    SELECT CAST(value AS uuid)
                    FROM jsonb_array_elements_text(CAST(:ids AS jsonb))
                )
            )
            INSERT INTO relay_batches (last_id, first_id, confirmed_at, event_ids)
            VALUES (CAST(:last_id AS uuid), CAST(:first_id AS uuid), :now, :packed)
            """
        ).bindparams(_NOW)
    ],
    # SQLAlchemy keeps a Uuid as 32 digits where the database has no such type.
    "sqlite": [
        text(
            """
            DELETE FROM outbox WHERE event_id IN (
                SELECT replace(value, '-', '') FROM json_each(:ids)
            )
            """
        ),
        text(
            """
            INSERT INTO relay_batches (last_id, first_id, confirmed_at, event_ids)
            VALUES (replace(:last_id, '-', ''), replace(:first_id, '-', ''), :now, :packed)
            """
        ).bindparams(_NOW),
    ],
}


def confirmed(connection: Connection, event_ids: Sequence[str]) -> None:
    """Take the events that the broker has confirmed out of the queue, and keep when that was.

    :param event_ids: in the order of recording; at least one.
    """
    values = {
        "ids": orjson.dumps(event_ids).decode(),
        "last_id": event_ids[-1],
        "first_id": event_ids[0],
        "now": utc_now(),
        "packed": _packed(event_ids),
    }
    for statement in _CONFIRMED[connection.dialect.name]:
        connection.execute(statement, values)


def _packed(event_ids: Iterable[str]) -> bytes:
    return bytes.fromhex("".join(event_ids).replace("-", ""))


def is_queued(session: Session, event_id: str) -> bool:
    """True while the broker has not confirmed the event."""
    found = session.scalar(select(outbox.c.event_id).where(outbox.c.event_id == event_id))
    return found is not None


def confirmed_at(session: Session, event_id: str) -> datetime | None:
    """When the broker confirmed an event; None if it has not, or that is no longer known.

    Batches overlap where a transaction committed late. The first one that reaches over the event
    is nearly always its own; else it is the next one.
    """
    batches, wanted = relay_batches.c, _packed([event_id])
    over_it = (
        select(batches.confirmed_at, batches.event_ids)
        .where(batches.last_id >= event_id, batches.first_id <= event_id)
        .order_by(batches.last_id)
        .limit(1)
    )
    place = 0
    while batch := session.execute(over_it.offset(place)).one_or_none():
        if _holds(batch.event_ids, wanted):
            return cast(datetime, batch.confirmed_at)
        place += 1
    return None


def _holds(packed: bytes, wanted: bytes) -> bool:
    size = len(wanted)
    return any(packed[start : start + size] == wanted for start in range(0, len(packed), size))


def depth(session: Session) -> tuple[int, float]:
    """How many events wait for the broker, and for how many seconds the oldest has."""
    count, oldest = session.execute(
        select(func.count(), func.min(outbox.c.recorded_at)).select_from(outbox)
    ).one()
    return count, (utc_now() - oldest).total_seconds() if oldest else 0.0


def _month(day: date, offset: int) -> date:
    months = day.year * 12 + day.month - 1 + offset
    return date(months // 12, months % 12 + 1, 1)


_PARTITIONS = (
    "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'event_log'::regclass"
)


def keep_log(connection: Connection, days: int) -> list[str]:
    """Make the log's partitions of this month and the two to come; drop what is past ``days``.

    What the broker has not confirmed is never past it. SQLite has no partitions.

    :returns: the partitions dropped.
    """
    today = utc_now().date()
    waiting = connection.scalar(select(func.min(outbox.c.recorded_at)))
    oldest = min(utc_now() - timedelta(days=days), waiting or utc_now()).date()
    if connection.dialect.name == "sqlite":
        _forget_batches(connection, oldest)
        return []
    partitions = connection.scalars(text(_PARTITIONS)).all()
    for offset in range(3):
        first, after = _month(today, offset), _month(today, offset + 1)
        name = f"event_log_{first:%Y_%m}"
        if name not in partitions:  # asked for before: even to find it there would lock the log
            connection.execute(
                text(
                    f"CREATE TABLE IF NOT EXISTS {name} PARTITION OF event_log "
                    f"FOR VALUES FROM ('{first} 00:00+00') TO ('{after} 00:00+00')"
                )
            )
    past = [name for name in partitions if _month(_first_day(name), 1) <= oldest]
    for name in past:
        connection.execute(text(f"DROP TABLE {name}"))
    _forget_batches(connection, oldest.replace(day=1))
    return past


def _first_day(partition: str) -> date:
    year, month = partition.removeprefix("event_log_").split("_")
    return date(int(year), int(month), 1)


def _forget_batches(connection: Connection, before: date) -> None:
    """Forget what the broker confirmed of events made before a day.

    The first 48 bits of a UUIDv7 are the milliseconds since 1970 (RFC 9562).
    """
    milliseconds = max(0, (before - date(1970, 1, 1)).days * 86_400_000)
    first_of_day = str(UUID(int=milliseconds << 80))
    connection.execute(delete(relay_batches).where(relay_batches.c.last_id < first_of_day))
