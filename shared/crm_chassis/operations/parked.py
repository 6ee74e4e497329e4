"""Parked events, settled by a person: one, or all that a filter finds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from sqlalchemy import ColumnElement, select, true
from sqlalchemy.orm import Session

from crm_chassis import inbox
from crm_chassis.database import Database
from crm_chassis.operations.administration import record_act
from crm_chassis.paging import after_row
from crm_chassis.problems import Problem, conflict, not_found
from crm_chassis.processor import TRANSIENT, Processor

PARKED = "parked"
STATES = (PARKED, "redriven", "discarded")
_BATCH = 100
_ORDER = (inbox.parked_events.c.parked_at, inbox.parked_events.c.id)
Settling = Callable[[str], None]
"""Settles the parked event of an id, or raises a problem that says why it stays as it is."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Which parked events are meant; all of them where nothing is given."""

    type: str | None = None
    handler: str | None = None

    def condition(self) -> ColumnElement[bool]:
        columns = inbox.parked_events.c
        condition: ColumnElement[bool] = true()
        if self.type is not None:
            condition &= columns.type == self.type
        if self.handler is not None:
            condition &= columns.handler == self.handler
        return condition


ALL = Selection()


def list_parked(
    session: Session,
    state: str = PARKED,
    limit: int = 25,
    after: str | None = None,
    selection: Selection = ALL,
) -> list[dict[str, Any]]:
    """Parked events in the order of parking, from the one after ``after`` on."""
    statement = select(inbox.parked_events).where(_found(state, selection, after))
    rows = session.execute(statement.order_by(*_ORDER).limit(limit))
    return [{**row._mapping, "event": _readable(row.body)} for row in rows]


def _found(state: str, selection: Selection, after: str | None) -> ColumnElement[bool]:
    columns = inbox.parked_events.c
    condition = (columns.state == state) & selection.condition()
    if after is not None:
        condition &= after_row(*_ORDER, after)
    return condition


def _readable(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def one_parked(session: Session, parked_id: str) -> dict[str, Any]:
    """A parked event in whatever state.

    :raises Problem: 404.
    """
    table = inbox.parked_events
    row = session.execute(select(table).where(table.c.id == parked_id)).one_or_none()
    if row is None:
        raise not_found("parked event")
    return {**row._mapping, "event": _readable(row.body)}


def redrive(database: Database, processor: Processor, parked_id: str, by: str) -> None:
    """Handle a parked event again.

    :raises Problem: 404; 409 when it is settled already, or with the reason when the handler still
        cannot take it, which is kept with the event.
    """
    try:
        processor.redrive(parked_id, by)
    except inbox.NotParked as error:
        raise _not_parked(error) from None
    except TRANSIENT:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        with database.transaction() as session:
            inbox.note_failure(session, parked_id, reason)
            record_act(session, "events.redrive_failed", parked_id, actor=by)
        raise conflict(f"It still cannot be handled: {reason}") from None


def discard(database: Database, parked_id: str, by: str, reason: str) -> None:
    """Give a parked event up, for a stated reason.

    :raises Problem: 404; 409 when it is settled already.
    """
    with database.transaction() as session:
        try:
            parked = inbox.take_parked(session, parked_id)
        except inbox.NotParked as error:
            raise _not_parked(error) from None
        inbox.settle(session, parked, "discarded", by, reason)


def _not_parked(error: inbox.NotParked) -> Problem:
    if error.state is None:
        return not_found("parked event")
    return conflict(f"The event is not parked any more: it is {error.state}.")


@dataclass(slots=True)
class Settled:
    """What became of several parked events.

    :ivar done: how many were settled.
    :ivar failed: (id, why it stays as it is).
    :ivar last: the last that was tried; None when there are no more behind it.
    """

    done: int = 0
    failed: list[tuple[str, str]] = field(default_factory=list)
    last: str | None = None


def settle_some(
    database: Database, settle: Settling, selection: Selection, limit: int, after: str | None = None
) -> Settled:
    """Settle parked events one by one, the oldest first, each in a transaction of its own.

    Two at once do not settle one event twice: who comes second counts it as failed.

    :param limit: how many are tried.
    :param after: where an earlier call ended.
    """
    statement = select(inbox.parked_events.c.id).where(_found(PARKED, selection, after))
    with database.reading() as session:
        found = session.scalars(statement.order_by(*_ORDER).limit(limit + 1)).all()
    settled = settle_these(settle, found[:limit])
    settled.last = found[limit - 1] if len(found) > limit else None
    return settled


def settle_these(settle: Settling, parked_ids: Iterable[str]) -> Settled:
    """Settle parked events one by one, and keep which could not be."""
    settled = Settled()
    for parked_id in parked_ids:
        try:
            settle(parked_id)
            settled.done += 1
        except Problem as problem:
            settled.failed.append((parked_id, problem.detail))
    return settled


def settle_all(database: Database, settle: Settling, selection: Selection) -> Iterator[Settled]:
    """Settle all that are parked, batch by batch."""
    after: str | None = None
    while True:
        settled = settle_some(database, settle, selection, _BATCH, after)
        yield settled
        after = settled.last
        if after is None:
            return
