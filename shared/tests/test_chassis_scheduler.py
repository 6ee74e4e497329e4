from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.database import Database, utc_now
from crm_chassis.scheduler import Recurring, Scheduler, cancel_timers, set_timers, timers
from crm_chassis.testing_harness import Harness

KIND = "notes.reminder"
PAST = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def database(notes: Harness) -> Database:
    return notes.service.database


def scheduler(database: Database, handlers: Any = None, **options: Any) -> Scheduler:
    recurring = options.pop("recurring", ())
    return Scheduler("notes", database, handlers or {}, recurring, CollectorRegistry(), **options)


def set_due(database: Database, *subjects: str, at: datetime = PAST, kind: str = KIND) -> None:
    with database.transaction() as session:
        set_timers(session, kind, dict.fromkeys(subjects, at))


def waiting(database: Database) -> dict[str, datetime]:
    with database.reading() as session:
        rows = session.execute(select(timers.c.subject, timers.c.due_at)).tuples().all()
        return dict(rows)


class Fired:
    """A handler that remembers what it was called with."""

    def __init__(self, failing: Sequence[str] = ()) -> None:
        self.subjects: list[str] = []
        self._failing = set(failing)

    def __call__(self, _session: Session, subjects: Sequence[str], _now: datetime) -> None:
        if self._failing & set(subjects):
            raise ValueError("no")
        self.subjects += subjects


def test_what_is_due_is_done_once_and_what_is_not_waits(database: Database) -> None:
    fired = Fired()
    fires = scheduler(database, {KIND: fired})
    set_due(database, "a", "b")
    tomorrow = utc_now() + timedelta(days=1)
    set_due(database, "c", at=tomorrow)
    assert fires.step()
    assert not fires.step()
    assert sorted(fired.subjects) == ["a", "b"]
    assert waiting(database) == {"c": tomorrow}


def test_a_clock_set_ahead_makes_tomorrow_due(database: Database) -> None:
    fired = Fired()
    set_due(database, "a", at=utc_now() + timedelta(hours=48))
    assert not scheduler(database, {KIND: fired}, ahead=timedelta(hours=47)).step()
    assert scheduler(database, {KIND: fired}, ahead=timedelta(hours=49)).step()
    assert fired.subjects == ["a"]


def test_a_timer_set_again_moves_and_a_cancelled_one_is_gone(database: Database) -> None:
    later = utc_now() + timedelta(days=2)
    set_due(database, "a", "b")
    set_due(database, "a", at=later)
    with database.transaction() as session:
        cancel_timers(session, KIND, ["b", "never set"])
    assert waiting(database) == {"a": later}


def test_a_timer_lives_and_dies_with_the_transaction_that_sets_it(database: Database) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        set_timers(session, KIND, {"a": PAST})
        raise RuntimeError
    assert waiting(database) == {}


def test_one_that_fails_is_put_off_and_its_neighbours_are_done(database: Database) -> None:
    fired = Fired(failing=["bad"])
    set_due(database, "good", "bad", "fine")
    scheduler(database, {KIND: fired}).step()
    assert sorted(fired.subjects) == ["fine", "good"]
    with database.reading() as session:
        row = session.execute(select(timers)).one()
    assert (row.subject, row.attempts, row.failure) == ("bad", 1, "ValueError: no")
    assert row.due_at > utc_now() - timedelta(seconds=30)
    set_due(database, "bad")
    later = Fired()
    scheduler(database, {KIND: later}).step()
    assert later.subjects == ["bad"]
    assert waiting(database) == {}


def test_what_a_handler_wrote_before_it_failed_is_not_kept(database: Database) -> None:
    def half(session: Session, subjects: Sequence[str], _now: datetime) -> None:
        set_timers(session, KIND, {"half-written": PAST + timedelta(days=9000)})
        raise ValueError(subjects)

    set_due(database, "a")
    scheduler(database, {KIND: half}).step()
    assert set(waiting(database)) == {"a"}


def test_a_timer_of_another_version_is_left_alone(database: Database) -> None:
    set_due(database, "a", kind="notes.of_tomorrow")
    assert not scheduler(database, {KIND: Fired()}).step()
    assert set(waiting(database)) == {"a"}


def test_a_handler_may_set_its_own_timer_again(database: Database) -> None:
    tomorrow = utc_now() + timedelta(days=1)

    def again(session: Session, subjects: Sequence[str], _now: datetime) -> None:
        set_timers(session, KIND, dict.fromkeys(subjects, tomorrow))

    set_due(database, "a")
    scheduler(database, {KIND: again}).step()
    assert waiting(database) == {"a": tomorrow}


def test_several_schedulers_at_once_fire_each_timer_once(database: Database) -> None:
    names = [f"{number:04d}" for number in range(2000)]
    set_due(database, *names)
    fired = [Fired() for _ in range(4)]

    def drain(own: Fired) -> None:
        fires = scheduler(database, {KIND: own})
        while fires.step():
            pass

    threads = [threading.Thread(target=drain, args=(own,)) for own in fired]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for own in fired for name in own.subjects) == names
    assert waiting(database) == {}


def test_recurring_work_is_done_now_then_after_its_pause(database: Database) -> None:
    turns: list[datetime] = []

    def turn(_session: Session, now: datetime) -> bool:
        turns.append(now)
        return len(turns) < 3

    work = Recurring("notes.tidy", timedelta(hours=1), turn)
    first = scheduler(database, recurring=[work])
    first.start_recurring()
    first.start_recurring()
    while first.step():
        pass
    assert len(turns) == 3
    assert not scheduler(database, recurring=[work], ahead=timedelta(minutes=59)).step()
    restarted = scheduler(database, recurring=[work], ahead=timedelta(minutes=61))
    restarted.start_recurring()
    assert restarted.step()
    assert len(turns) == 4


def test_recurring_work_that_fails_is_tried_again(database: Database) -> None:
    def fails(_session: Session, _now: datetime) -> bool:
        raise ValueError("not today")

    work = Recurring("notes.tidy", timedelta(hours=1), fails)
    fires = scheduler(database, recurring=[work])
    fires.start_recurring()
    fires.step()
    with database.reading() as session:
        row = session.execute(select(timers)).one()
    assert (row.attempts, row.failure) == (1, "ValueError: not today")
