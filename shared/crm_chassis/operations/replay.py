"""Events of the log, sent again to one consumer.

A consumer drops what its inbox has seen: what is replayed twice, or was never lost, changes
nothing there. ``events forget`` at the consumer lets it take events once more.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from datetime import datetime
from time import monotonic
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.orm import Session

from crm_chassis.broker import Broker, Message, Publisher
from crm_chassis.broker.topology import REPLAYS, replay_key
from crm_chassis.database import Database
from crm_chassis.outbox import event_log
from crm_contracts.catalogue import Catalogue

_BATCH = 1000


class CannotReplay(ValueError):
    """The service has nothing for that consumer; the message says why."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event of the log that was replayed; as text ``2026-11-22T03:42:00+00:00/<id>``."""

    recorded_at: datetime
    event_id: str

    def __str__(self) -> str:
        return f"{self.recorded_at.isoformat()}/{self.event_id}"

    @classmethod
    def parse(cls, text: str) -> Cursor:
        """:raises ValueError: it is no cursor."""
        instant, _, event_id = text.partition("/")
        recorded_at = datetime.fromisoformat(instant)
        if recorded_at.tzinfo is None:
            raise ValueError(f"{instant!r} has no zone")
        return cls(recorded_at, str(UUID(event_id)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which events of the log are replayed.

    :ivar since: recorded then or later; :ivar until: recorded before.
    :ivar types: all of them the consumer's.
    :ivar subject: of this aggregate alone.
    """

    consumer: str
    since: datetime
    until: datetime
    types: tuple[str, ...]
    subject: str | None = None

    def condition(self, after: Cursor | None) -> ColumnElement[bool]:
        """What is left behind ``after``."""
        log = event_log.c
        start = after.recorded_at if after else self.since  # by it the planner passes months over
        condition = (
            (log.recorded_at >= start) & (log.recorded_at < self.until) & log.type.in_(self.types)
        )
        if after is not None:
            last = (after.recorded_at, after.event_id)
            condition &= tuple_(log.recorded_at, log.event_id) > last
        if self.subject is not None:
            condition &= log.subject == self.subject
        return condition


def types_for(
    catalogue: Catalogue, producer: str, consumer: str, wanted: Collection[str] = ()
) -> tuple[str, ...]:
    """The types that ``producer`` may replay to ``consumer``: those whose contracts list it.

    :param wanted: no others than these; all of them when empty.
    :raises CannotReplay: there are none, or one that is wanted is not among them.
    """
    theirs = {each.type for each in catalogue.consumed_by(consumer) if each.producer == producer}
    if not theirs:
        raise CannotReplay(f"{consumer} takes no events of {producer}")
    if strange := sorted(set(wanted) - theirs):
        raise CannotReplay(f"{consumer} takes no {', '.join(strange)} of {producer}")
    return tuple(sorted(wanted or theirs))


def count(session: Session, selection: Selection, after: Cursor | None = None) -> int:
    """How many events are to be replayed."""
    statement = select(func.count()).select_from(event_log).where(selection.condition(after))
    return session.scalars(statement).one()


class Replay:
    """One run through a selection, in the order of recording. Used by one thread.

    :param after: where an earlier run ended.
    :param per_second: how many events at most.
    :ivar cursor: the last event that the broker has confirmed, with all before it.
    :ivar published: how many those are that this run has published.
    """

    def __init__(
        self,
        producer: str,
        database: Database,
        broker: Broker,
        selection: Selection,
        *,
        after: Cursor | None = None,
        per_second: int | None = None,
    ) -> None:
        self.cursor = after
        self.published = 0
        self._database = database
        self._broker = broker
        self._selection = selection
        self._key = replay_key(producer, selection.consumer)
        self._per_second = per_second
        self._batch = min(_BATCH, per_second or _BATCH)
        self._publisher: Publisher | None = None
        self._unconfirmed: list[Message] = []
        self._size = 0
        self._last = after  # of the batch that is not confirmed

    def run(self, stop: threading.Event, progressed: Callable[[], bool]) -> bool:
        """Replay to the end, and let go of the broker.

        :param progressed: called after each step; the run ends when it gives False.
        :returns: True when nothing is left to replay.
        :raises BrokerAway: another run can go on from the cursor.
        """
        started = monotonic()
        try:
            while not stop.is_set():
                if not self.step():
                    return True
                if not progressed():
                    return False
                if self._per_second:
                    stop.wait(self.published / self._per_second - (monotonic() - started))
        finally:
            self.close()
        return False

    def step(self) -> bool:
        """Publish a batch, or what is left of one.

        :returns: False when nothing is left.
        :raises BrokerAway: the step can be taken again.
        """
        if not self._unconfirmed:
            self._unconfirmed = list(self._read())
            self._size = len(self._unconfirmed)
            if not self._unconfirmed:
                return False
        done = self._connected().publish(self._unconfirmed)
        self._unconfirmed = [each for each in self._unconfirmed if each.id not in done]
        if not self._unconfirmed:
            self.cursor = self._last
            self.published += self._size
        return True

    def _read(self) -> Iterator[Message]:
        log = event_log.c
        statement: Select[tuple[str, datetime, bytes]] = (
            select(log.event_id, log.recorded_at, log.body)
            .where(self._selection.condition(self.cursor))
            .order_by(log.recorded_at, log.event_id)
            .limit(self._batch)
        )
        with self._database.reading() as session:
            for event_id, recorded_at, body in session.execute(statement):
                self._last = Cursor(recorded_at, event_id)
                # Not the event's own id: it may be on its way to all its subscribers just now.
                yield Message(f"{self._key}/{event_id}", self._key, body)

    def _connected(self) -> Publisher:
        if self._publisher is not None and not self._publisher.connected:
            self.close()
        if self._publisher is None:
            self._publisher = self._broker.publisher(REPLAYS)
        return self._publisher

    def close(self) -> None:
        """Let go of the broker."""
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
