"""Every event is applied once or parked with its reason; a fault that passes costs nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from notes_service import CHANGED, LENT, WRITTEN, create_app, on_note, readings
from sqlalchemy import func, select, text
from sqlalchemy.exc import OperationalError

from crm_chassis import inbox
from crm_chassis.broker import Delivery, Message, topology
from crm_chassis.broker.embedded import EmbeddedBroker
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.consumer import Consumer
from crm_chassis.database import new_id
from crm_chassis.events import Event, Refused
from crm_chassis.testing_harness import Harness


def written(title: str = "Buy milk", **attributes: Any) -> Event:
    """An event of a note."""
    note_id = new_id()
    given = {
        "id": new_id(),
        "type": WRITTEN,
        "source": "/crm/notes",
        "subject": note_id,
        "time": datetime.now(UTC),
        "sequence": 1,
        "actor": "test",
        "correlationid": "visit-9",
        "data": {
            "id": note_id,
            "title": title,
            "phone": None,
            "price": "0.00",
            "lent": False,
        },
    }
    return Event(**given | attributes)


def delivery(event: Event) -> Delivery:
    return Delivery(event.id, event.encode(), None)


class Fragile:
    """The library's handler, that fails on the events it is told to."""

    def __init__(self) -> None:
        self.faults: dict[str, BaseException] = {}
        self.heals_after: dict[str, int] = {}

    def on_note(self, session: Any, events: list[Event]) -> None:
        on_note(session, events)
        for event in events:
            if event.id in self.faults and self.heals_after.get(event.id, 1) > 0:
                if event.id in self.heals_after:
                    self.heals_after[event.id] -= 1
                raise self.faults[event.id]


HANDLER = Fragile()


@pytest.fixture
def handler() -> Iterator[Fragile]:
    """The handler, healthy as yet."""
    yield HANDLER
    HANDLER.faults.clear()
    HANDLER.heals_after.clear()


@pytest.fixture(scope="module")
def kept_library(kept_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    folder = tmp_path_factory.mktemp("library")
    subscriptions = {WRITTEN: HANDLER.on_note, LENT: HANDLER.on_note}
    parts = {"subscriptions": subscriptions}
    with closing(Harness(create_app, "library", folder, kept_url, **parts)) as harness:
        yield harness


@pytest.fixture
def library(kept_library: Harness, database_url: str, handler: Fragile) -> Harness:
    """The library, on each kind of database in turn, without rows."""
    return kept_library


def process(library: Harness, *deliveries: Delivery | Event) -> None:
    processor = library.service.processor
    processor.handle(
        processor.admit(
            [delivery(each) if isinstance(each, Event) else each for each in deliveries]
        )
    )


def applied(library: Harness) -> list[str]:
    """The titles of the events that were applied, as often as they were."""
    with library.service.database.reading() as session:
        return sorted(session.scalars(select(readings.c.title)))


def parked(library: Harness, state: str = "parked") -> list[dict[str, Any]]:
    response = library.as_user().get(f"/v1/events/parked?state={state}")
    assert response.status_code == 200, response.json
    return response.json["items"]


class TestOnce:
    def test_duplicates_are_applied_once(self, library):
        first, second = written("first"), written("second")
        process(library, first, first, second)
        process(library, second, first)
        assert applied(library) == ["first", "second"]

    def test_two_processors_apply_an_event_once(self, make_service, postgres_url, at_once):
        libraries = [make_service("library", postgres_url) for _ in range(4)]
        events = [written(f"{n:02}") for n in range(40)]
        turn = iter(range(4))
        guard = threading.Lock()

        def take() -> None:
            with guard:
                mine = next(turn)
            process(libraries[mine], *(events if mine % 2 else reversed(events)))

        assert at_once(take, 4) == [None] * 4
        assert applied(libraries[0]) == [f"{n:02}" for n in range(40)]

    def test_what_a_crash_left_undone_is_done_with_the_next_delivery(self, library, handler):
        event = written()
        handler.faults[event.id] = SystemExit()
        with pytest.raises(SystemExit):
            process(library, event)
        assert applied(library) == []
        handler.faults.clear()
        process(library, event)
        assert applied(library) == ["Buy milk"]


class TestParking:
    def test_a_poisoned_event_is_parked_and_its_neighbours_go_on(self, library, handler):
        before, after = written("before"), written("after")
        poisoned = written("poisoned", traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
        handler.faults[poisoned.id] = ValueError("cannot read the handwriting")
        process(library, before, poisoned, after)
        assert applied(library) == ["after", "before"]
        (entry,) = parked(library)
        assert entry["event_id"] == poisoned.id
        assert entry["type"] == WRITTEN
        assert entry["reason"] == "ValueError: cannot read the handwriting"
        assert entry["handler"].endswith("Fragile.on_note")
        assert entry["attempts"] == 3
        assert entry["traceparent"] == poisoned.traceparent
        assert entry["event"]["data"]["title"] == "poisoned"

    def test_a_fault_of_the_moment_is_tried_again_before_parking(self, library, handler):
        event = written()
        handler.faults[event.id] = ValueError("only twice")
        handler.heals_after[event.id] = 2
        process(library, event)
        assert (applied(library), parked(library)) == (["Buy milk"], [])

    def test_a_refused_event_is_parked_at_once(self, library, handler):
        event = written()
        handler.faults[event.id] = Refused("no such shelf")
        process(library, event)
        (entry,) = parked(library)
        assert (entry["reason"], entry["attempts"]) == ("no such shelf", 1)

    def test_a_duplicate_of_a_parked_event_is_not_parked_again(self, library, handler):
        event = written()
        handler.faults[event.id] = Refused("no such shelf")
        process(library, event, event)
        process(library, event)
        assert len(parked(library)) == 1
        assert applied(library) == []

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            pytest.param(written(type="crm.notes.note.eaten.v1"), "no handler", id="unknown type"),
            pytest.param(written(type=CHANGED), "no handler", id="no handler"),
            pytest.param(written(data={"id": 7}), "breaks its contract", id="contract violation"),
            pytest.param(written(type=LENT), "breaks its contract", id="contract of another"),
            pytest.param(written(type="crm.notes\0"), "no handler", id="NUL in the type"),
        ],
    )
    def test_what_cannot_be_handled_is_parked(self, library, event, reason):
        process(library, written("before"), event, written("after"))
        assert applied(library) == ["after", "before"]
        (entry,) = parked(library)
        assert entry["event_id"] == event.id
        assert entry["reason"].startswith(reason)

    def test_what_the_database_cannot_store_is_parked(self, make_service, postgres_url):
        library = make_service("library", postgres_url)
        unstorable = [written(sequence=2**40), written("a \0 in it"), written(subject="7")]
        process(library, *unstorable, written("after"))
        assert applied(library) == ["after"]
        assert [entry["event_id"] for entry in parked(library)] == [e.id for e in unstorable]

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"\xff\xfe", "not JSON"),
            (b"{", "not JSON"),
            (b"[]", "not a JSON object"),
            (b"{}", "without specversion"),
        ],
    )
    def test_bytes_that_are_no_event_are_parked(self, library, body, reason):
        process(library, written("before"), Delivery("m-1", body, None), written("after"))
        assert applied(library) == ["after", "before"]
        (entry,) = parked(library)
        assert entry["reason"].startswith(f"malformed: {reason}")
        assert (entry["event_id"], entry["attempts"]) == ("m-1", 1)

    @pytest.mark.parametrize(
        "wrong",
        [
            {"id": "7"},
            {"specversion": "0.3"},
            {"time": "yesterday"},
            {"time": "2026-01-31T09:00:00"},
            {"sequence": "last"},
            {"data": []},
            {"traceparent": {"a": 1}},
            {"traceparent": "0" * 500},
            {"causationid": 7},
            {"type": 7},
        ],
        ids=str,
    )
    def test_an_envelope_with_a_wrong_attribute_is_parked(self, library, wrong):
        body = orjson.dumps({**orjson.loads(written().encode()), **wrong})
        process(library, Delivery("m-1", body, None), written("neighbour"))
        assert applied(library) == ["neighbour"]
        assert len(parked(library)) == 1

    def test_malformed_bytes_that_come_again_are_not_parked_again(self, library):
        for _ in range(2):
            process(library, Delivery("m-1", b"{", None))
        process(library, Delivery("m-1", b"[", None))
        assert len(parked(library)) == 2

    def test_a_reason_that_the_database_cannot_store_does_not_stop_the_queue(
        self, library, handler
    ):
        event = written()
        handler.faults[event.id] = Refused("a \0 in it")
        process(library, event)
        assert len(parked(library)) == 1


class TestTransientFaults:
    FAULT = OperationalError("SELECT 1", {}, Exception("the database is away"))

    def test_they_are_raised_and_park_nothing(self, library, handler):
        events = [written("first"), written("second")]
        handler.faults[events[1].id] = self.FAULT
        with pytest.raises(OperationalError):
            process(library, *events)
        assert (applied(library), parked(library)) == ([], [])
        handler.faults.clear()
        process(library, *events)
        assert applied(library) == ["first", "second"]

    def test_beside_a_poisoned_event_they_are_raised_too(self, library, handler):
        poisoned, healthy = written("poisoned"), written("healthy")
        handler.faults = {poisoned.id: ValueError(), healthy.id: self.FAULT}
        with pytest.raises(OperationalError):
            process(library, poisoned, healthy)
        handler.faults.pop(healthy.id)
        process(library, poisoned, healthy)
        assert applied(library) == ["healthy"]
        assert [entry["event_id"] for entry in parked(library)] == [poisoned.id]

    def test_a_database_that_is_away_loses_nothing(
        self, make_service, postgres_url, cable, exchanges, wait_for
    ):
        line = cable(postgres_url)
        library = make_service("library", line.url)
        broker = EmbeddedBroker("library", exchanges)
        consumer = Consumer(broker, library.service.processor, 100)
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        events = {event.id: event for event in (written("one"), written("two"))}
        waiting = [Message(e.id, e.type, e.encode()) for e in events.values()]
        publisher = EmbeddedBroker("notes", exchanges).publisher()
        try:
            wait_for(lambda: consumer.attached)
            line.cut()
            assert publisher.publish(waiting) == set()
            line.mend()
            done: set[str] = set()
            wait_for(lambda: done.update(publisher.publish(waiting)) or len(done) == 2)
        finally:
            stop.set()
            thread.join()
        assert applied(library) == ["one", "two"]
        assert parked(library) == []


class TestConsumer:
    def test_a_long_outage_of_the_database_makes_no_dead_letter(
        self, make_service, rabbitmq_accounts, handler, wait_for, monkeypatch
    ):
        monkeypatch.setattr("crm_chassis.consumer._BACK_OFF_SECONDS", (0.01,))
        library = make_service("library", subscriptions={WRITTEN: handler.on_note})
        events = [written("one"), written("two")]
        attempts = topology.DELIVERY_LIMIT * 2
        handler.faults[events[0].id] = TestTransientFaults.FAULT
        handler.heals_after[events[0].id] = attempts
        with closing(RabbitMQ("notes", rabbitmq_accounts["notes"]).publisher()) as publisher:
            publisher.publish([Message(e.id, e.type, e.encode()) for e in events])
        broker = RabbitMQ("library", rabbitmq_accounts["library"])
        consumer = Consumer(broker, library.service.processor, 100)
        stop = threading.Event()
        thread = threading.Thread(target=consumer.run, args=(stop,))
        thread.start()
        try:
            wait_for(lambda: applied(library) == ["one", "two"])
        finally:
            stop.set()
            thread.join()
        assert handler.heals_after[events[0].id] == 0
        with closing(broker.dead_letters(prefetch=1)) as dead:
            assert dead.receive(1, timeout=0.2) == []

    def test_a_batch_that_broke_the_consumer_is_not_acknowledged_by_the_next(
        self, library, handler, exchanges
    ):
        broker = EmbeddedBroker("library", exchanges)
        consumer = Consumer(broker, library.service.processor, 100)
        fatal = written("fatal")
        handler.faults[fatal.id] = SystemExit()
        results: list[set[str]] = []

        def publish() -> None:
            with closing(EmbeddedBroker("notes", exchanges).publisher()) as publisher:
                message = Message(fatal.id, fatal.type, fatal.encode())
                while not (done := publisher.publish([message])):
                    pass
                results.append(done)

        sender = threading.Thread(target=publish)
        sender.start()
        with pytest.raises(SystemExit):
            consumer.run(threading.Event())
        assert not consumer.attached
        handler.faults.clear()
        stop = threading.Event()
        runner = threading.Thread(target=consumer.run, args=(stop,))
        runner.start()
        sender.join(10)
        stop.set()
        runner.join()
        assert results == [{fatal.id}]
        assert applied(library) == ["fatal"]


class TestSettling:
    @pytest.fixture
    def poisoned(self, library, handler) -> Event:
        """A parked event."""
        event = written("poisoned")
        handler.faults[event.id] = ValueError("cannot read the handwriting")
        process(library, event)
        return event

    @staticmethod
    def act(library, action: str, caller=None, **kwargs):
        (entry,) = parked(library)
        path = f"/v1/events/parked/{entry['id']}/{action}"
        return (caller or library.as_user()).post(path, **kwargs)

    def test_a_redrive_after_the_fix_applies_and_settles(self, library, handler, poisoned):
        handler.faults.clear()
        operator = library.as_user()
        response = self.act(library, "redrive", operator)
        assert response.status_code == 200
        assert response.json["state"] == "redriven"
        assert response.json["settled_by"] == operator.id
        assert response.json["settled_at"]
        assert applied(library) == ["poisoned"]
        assert parked(library) == []
        process(library, poisoned)
        assert applied(library) == ["poisoned"]

    @pytest.mark.parametrize(
        "fault", [ValueError("still not"), KeyError("still not"), Refused("still not")], ids=repr
    )
    def test_a_redrive_that_fails_keeps_it_parked_with_the_new_reason(
        self, library, handler, poisoned, fault
    ):
        handler.faults[poisoned.id] = fault
        response = self.act(library, "redrive")
        assert response.status_code == 409
        assert "still not" in response.json["detail"]
        (entry,) = parked(library)
        assert "still not" in entry["reason"]
        assert entry["attempts"] == 4
        assert applied(library) == []

    def test_a_redrive_while_the_database_is_away_counts_for_nothing(
        self, library, handler, poisoned
    ):
        handler.faults[poisoned.id] = TestTransientFaults.FAULT
        assert self.act(library, "redrive").status_code == 503
        assert parked(library)[0]["attempts"] == 3

    def test_redriven_by_many_at_once_it_is_applied_once(self, library, handler, poisoned, at_once):
        handler.faults.clear()
        path = f"/v1/events/parked/{parked(library)[0]['id']}/redrive"
        answers = at_once(lambda: library.as_user().post(path).status_code, 5)
        assert sorted(answers) == [200, 409, 409, 409, 409]
        assert applied(library) == ["poisoned"]

    def test_a_discarded_event_keeps_by_whom_and_why(self, library, handler, poisoned):
        operator = library.as_user()
        response = self.act(library, "discard", operator, json={"reason": "a test"})
        assert response.status_code == 200
        assert parked(library) == []
        (entry,) = parked(library, "discarded")
        assert (entry["settled_by"], entry["settled_because"]) == (operator.id, "a test")
        assert applied(library) == []

    def test_a_discard_needs_a_reason(self, library, poisoned):
        assert self.act(library, "discard", json={}).status_code == 422
        assert len(parked(library)) == 1

    def test_it_needs_the_permission(self, library, poisoned):
        stranger = library.as_user({"notes.*": "all"})
        assert self.act(library, "redrive", stranger).status_code == 403
        assert stranger.get("/v1/events/parked").status_code == 403

    @pytest.mark.usefixtures("poisoned")
    def test_what_is_not_parked_is_not_found(self, library):
        for action in ("redrive", "discard"):
            path = f"/v1/events/parked/{new_id()}/{action}"
            assert library.as_user().post(path, json={"reason": "x"}).status_code == 404

    def test_the_list_is_paged_in_the_order_of_parking(self, library, handler):
        events = [written() for _ in range(7)]
        handler.faults = {event.id: Refused("no such shelf") for event in events}
        process(library, *events)
        found, query = [], "?limit=3"
        while query:
            page = library.as_user().get(f"/v1/events/parked{query}").json
            assert len(page["items"]) <= 3
            found += [entry["event_id"] for entry in page["items"]]
            cursor = page["next_cursor"]
            query = f"?limit=3&cursor={cursor}" if cursor else ""
        assert found == [event.id for event in events]


class TestArchive:
    SECRETS = ("Wang Xiaoming", "+8613800138000", "the private title")

    @pytest.fixture
    def personal(self) -> dict[str, Any]:
        return {
            "id": new_id(),
            "title": self.SECRETS[2],
            "phone": self.SECRETS[1],
            "price": "1.50",
            "lent": False,
            "author": {"name": self.SECRETS[0]},
        }

    @pytest.fixture
    def archive(self, make_service, database_url, handler) -> Harness:
        return make_service(
            "library", database_url, subscriptions={WRITTEN: handler.on_note}, archive=True
        )

    def stored(self, archive: Harness) -> str:
        """Everything in the tables that keep events."""
        database = archive.service.database
        with database.reading() as session:
            bodies = [
                *session.scalars(select(inbox.inbox.c.body)),
                *session.scalars(select(inbox.parked_events.c.body)),
                *(r.encode() for r in session.scalars(select(inbox.parked_events.c.reason))),
                *(str(r).encode() for r in session.execute(select(readings))),
            ]
        return b"\n".join(bytes(body or b"") for body in bodies).decode()

    def test_it_keeps_bodies_without_personal_data(self, archive, personal):
        process(archive, written(data=personal))
        stored = self.stored(archive)
        assert '"price":"1.50"' in stored
        assert [secret for secret in self.SECRETS if secret in stored] == []

    def test_nor_is_any_in_what_it_parks(self, archive, handler, personal):
        poisoned, violating = written(data=personal), written(data={**personal, "lent": 7})
        unhandled = written(type=CHANGED, data=personal)
        handler.faults[poisoned.id] = ValueError("no")
        process(archive, poisoned, violating, unhandled)
        assert len(parked(archive)) == 3
        stored = self.stored(archive)
        assert '"price":"1.50"' in stored
        assert [secret for secret in self.SECRETS if secret in stored] == []

    def test_a_parked_copy_can_be_redriven(self, archive, handler, personal):
        poisoned = written(data=personal)
        handler.faults[poisoned.id] = ValueError("no")
        process(archive, poisoned)
        handler.faults.clear()
        (entry,) = parked(archive)
        path = f"/v1/events/parked/{entry['id']}/redrive"
        assert archive.as_user().post(path).status_code == 200
        with archive.service.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(readings)) == 1
            assert session.scalar(select(inbox.inbox.c.body)) is not None

    def test_a_broken_contract_stays_broken_when_redriven(self, archive, personal):
        process(archive, written(data={**personal, "lent": 7}))
        (entry,) = parked(archive)
        path = f"/v1/events/parked/{entry['id']}/redrive"
        assert archive.as_user().post(path).status_code == 409
        with archive.service.database.reading() as session:
            assert session.scalar(select(func.count()).select_from(readings)) == 0

    def test_a_service_that_keeps_no_archive_keeps_no_bodies(self, library, personal):
        process(library, written(data=personal))
        with library.service.database.reading() as session:
            assert session.scalars(select(inbox.inbox.c.body)).all() == [None]
            assert session.scalar(text("SELECT count(*) FROM parked_events")) == 0
