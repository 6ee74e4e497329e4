"""What is due at a time: kept in the database, done once, by whichever worker gets to it.

A timer is a row, set and cancelled in the transaction of the change that asks for it. When it is
due, a worker takes it away and runs its handler in one transaction: a kill before the commit
leaves both undone, and nothing fires twice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import (
    Column,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    select,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.context import Origin, acting
from crm_chassis.database import (
    Database,
    UTCDateTime,
    chassis_metadata,
    insert_into,
    rows_changed,
    utc_now,
)
from crm_chassis.processor import TRANSIENT
from crm_chassis.worker import Loop, polling

log = structlog.get_logger(__name__)
_POLL_SECONDS = 0.5
_BATCH = 500
_LONGEST_PAUSE = timedelta(hours=1)
_MOST_ATTEMPTS_COUNTED = 20
_ALWAYS = ""  # the subject of a timer that stands for recurring work

timers = Table(
    "timers",
    chassis_metadata,
    Column("kind", String(60), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("due_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("failure", Text),
    Index("timers_due_at", "due_at"),
)

TimerHandler = Callable[[Session, Sequence[str], datetime], None]
"""Takes the transaction, the subjects whose timer is due, and the time."""


@dataclass(frozen=True, slots=True)
class Recurring:
    """Work to be done again and again.

    :ivar every: from the end of one turn to the next.
    :ivar run: one bounded piece of the work at the given time, in one transaction; True when
        there is more to do at once.
    """

    name: str
    every: timedelta
    run: Callable[[Session, datetime], bool]


def set_timers(session: Session, kind: str, due: Mapping[str, datetime]) -> None:
    """Have ``kind`` be done for each subject at its time; a time set earlier is replaced."""
    if not due:
        return
    insert = insert_into(session, timers)
    fresh = {name: insert.excluded[name] for name in ("due_at", "attempts", "failure")}
    session.execute(
        insert.on_conflict_do_update(index_elements=["kind", "subject"], set_=fresh),
        [_row(kind, subject, due[subject]) for subject in sorted(due)],
    )


def cancel_timers(session: Session, kind: str, subjects: Iterable[str]) -> int:
    """Have ``kind`` not be done for these subjects; where no timer is set, nothing happens.

    :returns: how many timers there were.
    """
    cancelled = session.execute(
        delete(timers).where(timers.c.kind == kind, timers.c.subject.in_(list(subjects)))
    )
    return rows_changed(cancelled)


def _row(kind: str, subject: str, due_at: datetime) -> dict[str, object]:
    return {"kind": kind, "subject": subject, "due_at": due_at, "attempts": 0, "failure": None}


def overdue(session: Session) -> tuple[int, float]:
    """How many timers are due and have not fired, and for how many seconds the first has been."""
    now = utc_now()
    columns = timers.c
    due = select(func.count(), func.min(columns.due_at)).where(columns.due_at <= now)
    count, first = session.execute(due).one()
    return count, (now - first).total_seconds() if first else 0.0


class Scheduler:
    """Fires the timers of a service. Any number may run beside each other.

    :param ahead: by how much this clock runs before the real one.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        handlers: Mapping[str, TimerHandler],
        recurring: Sequence[Recurring],
        registry: CollectorRegistry,
        ahead: timedelta = timedelta(0),
    ) -> None:
        self._service = service
        self._database = database
        self._handlers = handlers
        self._recurring = {each.name: each for each in recurring}
        self._ahead = ahead
        self._recurring_started = False
        self._fired = Counter("crm_timers_fired", "Timers fired", ["kind"], registry=registry)
        self._failed = Counter("crm_timers_failed", "Timers failed", ["kind"], registry=registry)

    def loop(self) -> Loop:
        """Fire what is due until the end; what is under way is finished first."""
        return polling("scheduler", lambda _stop: self._turn(), _POLL_SECONDS)

    def _turn(self) -> bool:
        if not self._recurring_started:
            self.start_recurring()
            self._recurring_started = True
        return self.step()

    def now(self) -> datetime:
        return utc_now() + self._ahead

    def start_recurring(self) -> None:
        """Have recurring work that was never done be due now."""
        if not self._recurring:
            return
        with self._database.transaction() as session:
            session.execute(
                insert_into(session, timers).on_conflict_do_nothing(),
                [_row(name, _ALWAYS, self.now()) for name in self._recurring],
            )

    def step(self) -> bool:
        """Fire one batch of what is due.

        :returns: False when nothing is due.
        """
        now = self.now()
        with self._database.reading() as session:
            if session.execute(self._due(now).limit(1)).first() is None:
                return False
        try:
            return self._fire(now)
        except TRANSIENT:
            raise
        except Exception as error:
            log.warning("scheduler.batch_failed", error=f"{type(error).__name__}: {error}")
            return self._fire_one_by_one(now)

    def _due(self, now: datetime) -> Select[tuple[str, str]]:
        kinds = [*self._handlers, *self._recurring]  # not those of a newer version's worker
        return (
            select(timers.c.kind, timers.c.subject)
            .where(timers.c.due_at <= now, timers.c.kind.in_(kinds))
            .order_by(timers.c.due_at)
        )

    def _fire(self, now: datetime) -> bool:
        with self._claimed(self._due(now).limit(_BATCH)) as (session, due):
            for kind, subjects in due.items():
                self._handle(session, kind, subjects, now)
        self._count(due)
        return bool(due)

    def _fire_one_by_one(self, now: datetime) -> bool:
        with self._database.reading() as session:
            due = session.execute(self._due(now).limit(_BATCH)).tuples().all()
        for kind, subject in due:
            try:
                self._fire_one(kind, subject, now)
            except TRANSIENT:
                raise
            except Exception as error:
                self._put_off(kind, subject, error)
        return bool(due)

    def _fire_one(self, kind: str, subject: str, now: datetime) -> None:
        this = and_(timers.c.kind == kind, timers.c.subject == subject)
        with self._claimed(self._due(now).where(this)) as (session, due):
            if due:
                self._handle(session, kind, [subject], now)
        self._count(due)

    @contextmanager
    def _claimed(
        self, statement: Select[tuple[str, str]]
    ) -> Iterator[tuple[Session, dict[str, list[str]]]]:
        """A transaction in which the timers selected are nobody else's, by kind."""
        with self._database.transaction() as session, acting(Origin(actor=self._service)):
            rows = session.execute(statement.with_for_update(skip_locked=True)).tuples()
            due: dict[str, list[str]] = defaultdict(list)
            for kind, subject in rows:
                due[kind].append(subject)
            yield session, due

    def _handle(self, session: Session, kind: str, subjects: Sequence[str], now: datetime) -> None:
        cancel_timers(session, kind, subjects)
        if recurring := self._recurring.get(kind):
            again = now if recurring.run(session, now) else now + recurring.every
            set_timers(session, kind, {_ALWAYS: again})
        else:
            self._handlers[kind](session, subjects, now)

    def _count(self, due: Mapping[str, Sequence[str]]) -> None:
        for kind, subjects in due.items():
            self._fired.labels(kind).inc(len(subjects))

    def _put_off(self, kind: str, subject: str, error: Exception) -> None:
        """Try a timer that failed again, later each time."""
        log.error("scheduler.timer_failed", kind=kind, subject=subject, exc_info=error)
        self._failed.labels(kind).inc()
        this = and_(timers.c.kind == kind, timers.c.subject == subject)
        with self._database.transaction() as session:
            attempts = session.scalar(select(timers.c.attempts).where(this).with_for_update())
            if attempts is None:
                return
            pause = min(_LONGEST_PAUSE, timedelta(seconds=2**attempts))
            session.execute(
                update(timers)
                .where(this)
                .values(
                    due_at=self.now() + pause,
                    attempts=min(attempts + 1, _MOST_ATTEMPTS_COUNTED),
                    failure=f"{type(error).__name__}: {error}",
                )
            )
