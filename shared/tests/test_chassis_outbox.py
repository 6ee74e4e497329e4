"""A change and its events are one: recorded together, and published until the broker has them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from notes_service import (
    CHANGED,
    LENT,
    SHREDDED,
    WRITTEN,
    Note,
    change,
    state_of,
    write,
)
from prometheus_client import CollectorRegistry
from sqlalchemy import func, inspect, select, text
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.broker import BrokerAway, Message
from crm_chassis.broker.embedded import EmbeddedBroker
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.context import Origin, acting
from crm_chassis.database import Database, new_id, utc_now
from crm_chassis.doorbell import LocalDoorbell
from crm_chassis.events import decode
from crm_chassis.operations.retention import Retention
from crm_chassis.outbox import ContractViolation, event_log, record
from crm_chassis.relay import Relay
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Harness


def count(service: Harness, what) -> int:
    with service.service.database.reading() as session:
        return session.scalar(select(func.count()).select_from(what))


def outcome(service: Harness) -> tuple[int, int, int]:
    """How many notes, events and queued events there are."""
    return count(service, Note), count(service, event_log), count(service, outbox.outbox)


def write_notes(service: Harness, number: int = 1) -> list[str]:
    """Write notes in a transaction each; the ids of their events."""
    for _ in range(number):
        with service.service.database.transaction() as session:
            write(session, {"title": "Buy milk"})
    return [event.id for event in service.published()][-number:]


def in_transaction(service: Harness, work: Callable[[Session], None]) -> None:
    with service.service.database.transaction() as session:
        work(session)


class TestRecording:
    def test_a_change_and_its_event_are_committed_together(self, notes):
        write_notes(notes)
        assert outcome(notes) == (1, 1, 1)

    def test_a_change_and_its_event_are_rolled_back_together(self, notes):
        def fail(session: Session) -> None:
            write(session, {"title": "Buy milk"})
            session.flush()
            raise RuntimeError

        with pytest.raises(RuntimeError):
            in_transaction(notes, fail)
        assert outcome(notes) == (0, 0, 0)

    @pytest.mark.parametrize(
        "break_it",
        [
            pytest.param(lambda note: {**state_of(note), "title": ""}, id="value"),
            pytest.param(lambda note: {**state_of(note), "colour": "red"}, id="unknown field"),
            pytest.param(lambda note: {"id": "swordfish"}, id="missing field"),
        ],
    )
    def test_a_broken_contract_rolls_everything_back(self, notes, break_it):
        def violate(session: Session) -> None:
            record(session, CHANGED, write(session, {"title": "Buy milk"}), break_it)

        with pytest.raises(ContractViolation) as error:
            in_transaction(notes, violate)
        assert outcome(notes) == (0, 0, 0)
        assert "swordfish" not in str(error.value)

    def test_a_service_records_only_its_own_events(self, notes):
        def pretend(session: Session) -> None:
            note = write(session, {"title": "Buy milk"})
            record(session, LENT, note, lambda note: {"id": note.id, "note_id": note.id})

        with pytest.raises(ContractViolation):
            in_transaction(notes, pretend)
        assert outcome(notes) == (0, 0, 0)

    def test_events_of_one_transaction_tell_of_the_same_final_state(self, notes):
        with notes.service.database.transaction() as session:
            note = write(session, {"title": "first"})
            session.flush()
            change(session, note, {"title": "second"})
            session.flush()
            change(session, note, {"title": "third"})
        events = notes.published()
        assert [event.type for event in events] == [WRITTEN, CHANGED, CHANGED]
        assert {event.data["title"] for event in events} == {"third"}
        assert {event.sequence for event in events} == {note.version}
        assert len({event.id for event in events}) == 3

    def test_each_change_has_a_larger_sequence(self, notes):
        with notes.service.database.transaction() as session:
            note = write(session, {"title": "first"})
        for title in ("second", "third"):
            with notes.service.database.transaction() as session:
                change(session, session.get(Note, note.id), {"title": title})
        assert [event.sequence for event in notes.published()] == [1, 2, 3]
        assert {event.subject for event in notes.published()} == {note.id}

    def test_an_event_says_who_and_in_answer_to_what(self, notes):
        user = notes.as_user()
        sent = {"X-Correlation-ID": "order-7"}
        user.post("/v1/notes", json={"title": "Buy milk"}, headers=sent)
        written = notes.published()[0]
        assert (written.actor, written.correlationid) == (user.id, "order-7")
        assert written.causationid is None

    def test_an_answer_carries_its_cause_and_one_correlation(self, notes, make_service):
        written = notes.as_user().post("/v1/notes", json={"title": "Buy milk"}).json
        library = make_service("library")
        visitor = Origin(actor="reader-7", correlation_id="visit-9")
        with acting(visitor), library.service.database.transaction() as session:
            loan = Note(id=new_id(), version=1)
            record(session, LENT, loan, lambda loan: {"id": loan.id, "note_id": written["id"]})
        (lent,) = library.published()
        notes.deliver(lent)
        changed = notes.published(CHANGED)[0]
        assert (changed.causationid, changed.correlationid) == (lent.id, "visit-9")
        assert changed.actor == "notes"
        assert (lent.actor, lent.causationid) == ("reader-7", None)

    def test_the_log_keeps_what_is_published_byte_by_byte(self, notes):
        write_notes(notes)
        with notes.service.database.reading() as session:
            body = session.scalar(select(event_log.c.body))
        event = decode(body)
        assert event.encode() == bytes(body)
        assert event.source == "/crm/notes"
        assert event.partitionkey == event.subject
        assert event.time.tzinfo is not None


class Recording:
    """A broker that passes everything on, and can fail after it did."""

    def __init__(self, inner, fail: Sequence[bool] = ()) -> None:
        self._inner = inner
        self._fail = list(fail)
        self.published: list[str] = []

    def publisher(self):
        return self

    def subscription(self, prefetch):
        return self._inner.subscription(prefetch)

    connected = True

    def publish(self, messages: Sequence[Message]) -> set[str]:
        with closing(self._inner.publisher()) as publisher:
            done = publisher.publish(messages)
        self.published += [message.id for message in messages]
        if self._fail and self._fail.pop(0):
            raise BrokerAway("lost before the confirm came")
        return done

    def close(self) -> None:
        pass


def relay_of(service: Harness, broker, batch: int = 100) -> Relay:
    """A relay of its own for the service's database, as another process would have."""
    parts = service.service
    return Relay(
        parts.name,
        parts.database,
        broker,
        parts.doorbell,
        parts.telemetry,
        CollectorRegistry(),
        batch,
    )


@pytest.fixture
def rabbit(rabbitmq_accounts):
    return RabbitMQ("notes", rabbitmq_accounts["notes"])


class TestRelay:
    def test_it_publishes_in_the_order_of_recording_and_empties_the_queue(self, notes, rabbit):
        ids = write_notes(notes, 7)
        broker = Recording(rabbit)
        relay = relay_of(notes, broker, batch=3)
        assert [relay.drain() for _ in range(4)] == [3, 3, 1, 0]
        assert broker.published == ids
        assert outcome(notes) == (7, 7, 0)

    def test_what_was_published_and_not_confirmed_is_published_again(self, notes, rabbit):
        ids = write_notes(notes, 3)
        broker = Recording(rabbit, fail=[True])
        relay = relay_of(notes, broker)
        with pytest.raises(BrokerAway):
            relay.drain()
        assert outcome(notes) == (3, 3, 3)
        assert relay_of(notes, broker).drain() == 3
        assert broker.published == ids * 2

    def test_a_transaction_that_commits_late_is_drained_all_the_same(
        self, make_service, postgres_url, rabbit
    ):
        notes = make_service("notes", postgres_url)
        broker = Recording(rabbit)
        relay = relay_of(notes, broker)
        with notes.service.database.transaction() as late:
            first = write(late, {"title": "recorded first"})
            late.flush()
            notes.service.database.before_commit[0](late)  # as at the end of the block
            write_notes(notes)
            assert relay.drain() == 1
        assert relay.drain() == 1
        assert relay.drain() == 0
        early, late_event = (notes.published()[n].id for n in (1, 0))
        assert broker.published == [early, late_event]
        assert notes.published()[0].subject == first.id

    def test_a_second_relay_stands_by_and_takes_over(
        self, make_service, postgres_url, rabbitmq_accounts, wait_for
    ):
        notes = make_service("notes", postgres_url)
        brokers = [Recording(RabbitMQ("notes", rabbitmq_accounts["notes"])) for _ in range(2)]
        relays = [relay_of(notes, broker) for broker in brokers]
        stops = [threading.Event() for _ in relays]
        threads = [
            threading.Thread(target=relay.run, args=(stop,))
            for relay, stop in zip(relays, stops, strict=True)
        ]
        try:
            threads[0].start()
            first = write_notes(notes)
            wait_for(lambda: brokers[0].published == first)
            threads[1].start()
            wait_for(lambda: relays[1].ready)
            second = write_notes(notes)
            wait_for(lambda: brokers[0].published == first + second)
            stops[0].set()
            threads[0].join()
            third = write_notes(notes)
            wait_for(lambda: brokers[1].published == third)
        finally:
            for stop in stops:
                stop.set()
            for thread in threads:
                thread.join()
        assert brokers[0].published == first + second

    @pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
    def test_a_commit_wakes_it(self, request, make_service, wait_for, monkeypatch, exchanges, kind):
        monkeypatch.setattr("crm_chassis.relay._POLL_SECONDS", 60.0)
        url = request.getfixturevalue("postgres_url") if kind == "postgresql" else None
        notes = make_service("notes", url)
        relay = relay_of(notes, EmbeddedBroker("notes", exchanges))
        stop = threading.Event()
        thread = threading.Thread(target=relay.run, args=(stop,))
        thread.start()
        try:
            for _ in range(3):
                with notes.service.database.transaction() as session:
                    note = write(session, {"title": "Buy milk"})
                    change_unheard(session, note)
                wait_for(lambda: outcome(notes)[2] == 0)
        finally:
            stop.set()
            notes.service.doorbell.ring()
            thread.join(10)
        assert not thread.is_alive()


def change_unheard(session, note) -> None:
    """Leave only an event nobody subscribes to, which needs no consumer to be confirmed."""
    outbox.discard(session)
    record(session, SHREDDED, note, state_of)


class TestRetention:
    @staticmethod
    def tidy(database: Database, days: int) -> None:
        settings = Settings(
            service="notes", database_url="", broker_url="", token_keys="", event_log_days=days
        )
        Retention("notes", database, settings, (), CollectorRegistry()).run()

    def test_partitions_are_made_for_this_month_and_the_next_two(self, make_service, postgres):
        notes = make_service("notes", postgres.create_database("log"))
        today = utc_now()
        with notes.service.database.engine.connect() as connection:
            tables = inspect(connection).get_table_names()
        assert f"event_log_{today:%Y_%m}" in tables
        assert sum(name.startswith("event_log_") for name in tables) == 3

    def test_partitions_past_their_retention_are_dropped_and_no_others(
        self, make_service, postgres
    ):
        notes = make_service("notes", postgres.create_database("log"))
        database = notes.service.database
        write_notes(notes)
        with database.engine.begin() as connection:
            for name, first, after in (
                ("event_log_2020_12", "2020-12-01", "2021-01-01"),
                ("event_log_2021_01", "2021-01-01", "2021-02-01"),
            ):
                connection.execute(
                    text(
                        f"CREATE TABLE {name} PARTITION OF event_log"
                        f" FOR VALUES FROM ('{first} 00:00+00') TO ('{after} 00:00+00')"
                    )
                )
        inside = utc_now() - datetime(2021, 1, 31, tzinfo=UTC)
        self.tidy(database, days=inside.days)
        with database.engine.connect() as connection:
            tables = inspect(connection).get_table_names()
        assert "event_log_2020_12" not in tables
        assert "event_log_2021_01" in tables
        assert len(notes.published()) == 1

    def test_old_events_are_deleted_on_sqlite(self, make_service):
        notes = make_service("notes")
        write_notes(notes, 2)
        database = notes.service.database
        with database.transaction() as session:
            oldest = session.scalar(select(func.min(event_log.c.event_id)))
            session.execute(
                event_log.update()
                .where(event_log.c.event_id == oldest)
                .values(recorded_at=utc_now() - timedelta(days=31))
            )
            session.execute(outbox.outbox.delete())  # as when the broker has confirmed them
        self.tidy(database, days=30)
        assert [event.id for event in notes.published()] != [oldest]
        assert len(notes.published()) == 1


def test_a_local_ring_is_kept_for_who_comes_later():
    doorbell = LocalDoorbell()
    doorbell.ring()
    waited = threading.Thread(target=doorbell.wait, args=(60.0,))
    waited.start()
    waited.join(10)
    assert not waited.is_alive()
