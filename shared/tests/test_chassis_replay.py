"""Events of the log, sent to one consumer again, on both databases and both brokers."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from notes_service import CHANGED, CONTRACTS, LENT, SHREDDED, WRITTEN, readings, state_of, write
from sqlalchemy import delete, select, update

from crm_chassis.broker import BrokerAway, Message
from crm_chassis.broker.embedded import EmbeddedBroker
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.broker.topology import REPLAYS, replay_key
from crm_chassis.database import new_id, utc_now
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.operations.administration import administrative_acts
from crm_chassis.operations.replay import CannotReplay, Cursor, Replay, Selection, types_for
from crm_chassis.operations.replay_jobs import ReplayRunner
from crm_chassis.outbox import event_log, record
from crm_chassis.testing_harness import Harness

BEGINNING = datetime(2020, 1, 1, tzinfo=UTC)


class Pair:
    """Notes, which publishes, and library, which listens; both at work."""

    def __init__(self, make: Callable[..., Harness], ways: dict[str, dict[str, Any]]) -> None:
        self._make = make
        self._ways = ways
        self.notes = self.started("notes")
        self.library = self.started("library")

    def started(self, name: str, **parts: Any) -> Harness:
        way = dict(self._ways[name])
        broker_url = way.pop("broker_url", None)
        harness = self._make(name, **way, **parts)
        if broker_url:
            harness.service.settings = replace(harness.service.settings, broker_url=broker_url)
        harness.service.start_worker()
        return harness

    def write(self, count: int = 1) -> list[str]:
        """Write notes; gives the ids of the events."""
        with self.notes.service.database.transaction() as session:
            for number in range(count):
                write(session, {"title": f"note {number}"})
        return [event.id for event in self.notes.published()][-count:]

    def read(self) -> list[str]:
        """The events that library has a reading of, each as often as it has."""
        with self.library.service.database.reading() as session:
            return sorted(session.scalars(select(readings.c.event_id)))

    def lose_readings(self) -> None:
        """What a database that was lost and made anew has of library."""
        with self.library.service.database.transaction() as session:
            session.execute(delete(readings))
            session.execute(delete(inbox))


@pytest.fixture(params=["embedded", "servers"])
def pair(request, make_service, exchanges) -> Pair:
    if request.param == "embedded":
        ways: dict[str, dict[str, Any]] = {
            name: {"exchanges": exchanges} for name in ("notes", "library")
        }
        return Pair(make_service, ways)
    postgres = request.getfixturevalue("postgres")
    accounts = request.getfixturevalue("rabbitmq_accounts")
    ways = {
        name: {"database_url": postgres.create_database(name), "broker_url": accounts[name]}
        for name in ("notes", "library")
    }
    return Pair(make_service, ways)


def run(service: Harness, *arguments: str, status: int = 0) -> str:
    with service.app.app_context():
        result = service.app.test_cli_runner().invoke(args=list(arguments))
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


def replay(pair: Pair, *arguments: str) -> str:
    return run(
        pair.notes,
        "events",
        "replay",
        "--to",
        "library",
        "--since",
        "2020-01-01T00:00Z",
        *arguments,
    )


def test_a_consumer_that_lost_its_database_gets_everything_back(pair, wait_for):
    ids = pair.write(25)
    wait_for(lambda: pair.read() == sorted(ids))
    pair.lose_readings()
    replay(pair)
    wait_for(lambda: pair.read() == sorted(ids))


def test_a_replay_of_what_was_taken_changes_nothing(pair, wait_for):
    ids = pair.write(5)
    wait_for(lambda: pair.read() == sorted(ids))
    for _ in range(2):
        replay(pair)
    last = pair.write()  # the queue is one: behind it, everything replayed has been taken
    wait_for(lambda: set(last) <= set(pair.read()))
    assert pair.read() == sorted([*ids, *last])


def test_what_was_forgotten_is_taken_once_more(pair, wait_for):
    ids = pair.write(3)
    wait_for(lambda: pair.read() == sorted(ids))
    forgot = run(
        pair.library, "events", "forget", "--from", "notes", "--since", "2020-01-01T00:00Z"
    )
    assert forgot.startswith("forgot 3 ")
    replay(pair)
    wait_for(lambda: pair.read() == sorted(ids * 2))


def test_the_api_has_the_worker_do_it(pair, wait_for):
    ids = pair.write(4)
    wait_for(lambda: pair.read() == sorted(ids))
    pair.lose_readings()
    operator = pair.notes.as_user(grants={"notes.events.replay": "all"})
    asked = operator.post(
        "/v1/events/replays",
        json={"consumer": "library", "since": "2020-01-01T00:00:00Z", "types": [WRITTEN]},
    )
    assert asked.status_code == 201, asked.json
    path = f"/v1/events/replays/{asked.json['id']}"
    done = wait_for(lambda: (job := operator.get(path).json)["state"] == "done" and job)
    assert (done["total"], done["published"], done["requested_by"]) == (4, 4, operator.id)
    wait_for(lambda: pair.read() == sorted(ids))


# The rest needs no other process.


@pytest.fixture
def notes(make_service, exchanges) -> Harness:
    return make_service("notes", exchanges=exchanges)


def write_notes(notes: Harness, count: int) -> list[str]:
    with notes.service.database.transaction() as session:
        for number in range(count):
            write(session, {"title": f"note {number}"})
    return [event.id for event in notes.published()]


class Taking:
    """A broker that takes charge of what it is given, and can fail at a batch."""

    connected = True

    def __init__(self, fail_at: int | None = None, confirm: int | None = None) -> None:
        self.taken: list[str] = []
        self.exchange = ""
        self._fail_at = fail_at
        self._confirm = confirm
        self._batches = 0

    def publisher(self, exchange: str) -> Taking:
        self.exchange = exchange
        return self

    def publish(self, messages: Sequence[Message]) -> set[str]:
        self._batches += 1
        if self._batches == self._fail_at:
            raise BrokerAway("cut")
        done = messages[: self._confirm]
        self.taken += [message.id.rpartition("/")[2] for message in done]
        return {message.id for message in done}

    def close(self) -> None:
        pass


def selection(**values: Any) -> Selection:
    usual = {
        "consumer": "library",
        "since": BEGINNING,
        "until": utc_now() + timedelta(hours=1),
        "types": types_for(CONTRACTS, "notes", "library"),
    }
    return Selection(**usual | values)


def replay_of(notes: Harness, broker: Any, chosen: Selection, **options: Any) -> Replay:
    return Replay("notes", notes.service.database, broker, chosen, **options)


def to_the_end(one: Replay) -> bool:
    return one.run(threading.Event(), lambda: True)


def test_it_goes_in_the_order_of_recording_through_the_exchange_of_replays(notes):
    ids = write_notes(notes, 7)
    broker = Taking()
    assert to_the_end(replay_of(notes, broker, selection(), per_second=1000))
    assert broker.taken == ids
    assert broker.exchange == REPLAYS


@pytest.fixture
def three_a_batch(monkeypatch) -> None:
    monkeypatch.setattr("crm_chassis.operations.replay._BATCH", 3)


@pytest.mark.usefixtures("three_a_batch")
def test_what_is_interrupted_goes_on_where_it_was(notes):
    ids = write_notes(notes, 8)
    broker = Taking()
    first = replay_of(notes, broker, selection())
    assert not first.run(threading.Event(), lambda: False)
    assert broker.taken == ids[:3]
    second = replay_of(notes, broker, selection(), after=Cursor.parse(str(first.cursor)))
    assert to_the_end(second)
    assert broker.taken == ids


@pytest.mark.usefixtures("three_a_batch")
def test_the_cursor_stands_behind_what_was_confirmed(notes):
    ids = write_notes(notes, 8)
    broker = Taking(fail_at=2)
    one = replay_of(notes, broker, selection())
    with pytest.raises(BrokerAway):
        to_the_end(one)
    assert one.cursor is not None
    assert one.cursor.event_id == ids[2]
    assert one.published == 3


@pytest.mark.usefixtures("three_a_batch")
def test_what_is_not_confirmed_is_sent_again_before_anything_else(notes):
    ids = write_notes(notes, 5)
    broker = Taking(confirm=1)
    one = replay_of(notes, broker, selection())
    assert to_the_end(one)
    assert broker.taken == ids
    assert one.published == 5


def test_it_is_narrowed_by_time_type_and_aggregate(notes):
    ids = write_notes(notes, 3)
    with notes.service.database.transaction() as session:
        changed = write(session, {"title": "the fourth"})
        record(session, CHANGED, changed, state_of)
        record(session, SHREDDED, changed, state_of)
        for number, id_ in enumerate(ids):
            at = BEGINNING + timedelta(days=number)
            session.execute(
                update(event_log).where(event_log.c.event_id == id_).values(recorded_at=at)
            )
    broker = Taking()
    middle = selection(since=BEGINNING + timedelta(days=1), until=BEGINNING + timedelta(days=2))
    to_the_end(replay_of(notes, broker, middle))
    assert broker.taken == ids[1:2]
    broker = Taking()
    to_the_end(replay_of(notes, broker, selection(types=(CHANGED,))))
    assert broker.taken == [event.id for event in notes.published(CHANGED)]
    broker = Taking()
    to_the_end(replay_of(notes, broker, selection(subject=changed.id)))
    assert broker.taken == [event.id for event in notes.published() if event.type != SHREDDED][3:]


def test_only_types_that_the_consumer_takes_are_sent():
    all_types = types_for(CONTRACTS, "notes", "library")
    assert {CHANGED, WRITTEN} <= set(all_types)
    assert SHREDDED not in all_types
    assert types_for(CONTRACTS, "notes", "library", [WRITTEN]) == (WRITTEN,)
    with pytest.raises(CannotReplay, match=re.escape(SHREDDED)):
        types_for(CONTRACTS, "notes", "library", [SHREDDED, WRITTEN])
    with pytest.raises(CannotReplay, match="gateway takes no events of notes"):
        types_for(CONTRACTS, "notes", "gateway")


def test_a_replay_keeps_to_its_rate(notes, monkeypatch):
    write_notes(notes, 4)
    waited: list[float] = []

    class Stop(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0)
            return False

    monkeypatch.setattr("crm_chassis.operations.replay.monotonic", lambda: 0.0)
    replay_of(notes, Taking(), selection(), per_second=2).run(Stop(), lambda: True)
    assert waited == [1.0, 2.0]


def test_an_event_on_its_way_to_all_is_not_taken_for_delivered(notes, exchanges):
    """The embedded broker counts who has what; a replay to one must not settle it for others."""
    (event,) = (write_notes(notes, 1), notes.published())[1]
    library = EmbeddedBroker("library", exchanges).subscription(10)
    relaying = EmbeddedBroker("notes", exchanges).publisher()
    told = threading.Thread(
        target=relaying.publish, args=([Message(event.id, event.type, event.encode())],)
    )
    told.start()
    with closing(library):
        (first,) = library.receive(1, 10)
        replaying = threading.Thread(
            target=to_the_end,
            args=(replay_of(notes, EmbeddedBroker("notes", exchanges), selection()),),
        )
        replaying.start()
        (second,) = library.receive(1, 10)
        assert first.body == second.body
        assert first.id != second.id
        library.acknowledge([first])
        library.acknowledge([second])
    told.join(10)
    replaying.join(10)
    assert not told.is_alive()
    assert not replaying.is_alive()


class TestJobs:
    def ask(self, notes: Harness, **more: Any) -> Any:
        body = {"consumer": "library", "since": "2020-01-01T00:00:00Z", **more}
        return notes.as_user().post("/v1/events/replays", json=body)

    def runner(self, notes: Harness, broker: Any) -> ReplayRunner:
        return ReplayRunner("notes", notes.service.database, broker)

    def state(self, notes: Harness, job_id: str) -> dict[str, Any]:
        return notes.as_user().get(f"/v1/events/replays/{job_id}").json

    @pytest.mark.usefixtures("three_a_batch")
    def test_a_job_goes_on_where_its_worker_was_lost(self, notes):
        ids = write_notes(notes, 8)
        job = self.ask(notes).json["id"]
        lost = Taking(fail_at=2)
        with pytest.raises(BrokerAway):
            self.runner(notes, lost).step(threading.Event())
        found = self.state(notes, job)
        assert (found["state"], found["published"], found["total"]) == ("running", 3, 8)
        other = Taking()
        assert self.runner(notes, other).step(threading.Event())
        assert lost.taken + other.taken == ids
        found = self.state(notes, job)
        assert (found["state"], found["published"]) == ("done", 8)
        assert found["finished_at"]

    def test_a_cancelled_job_is_not_done(self, notes):
        write_notes(notes, 2)
        job = self.ask(notes).json["id"]
        cancelled = notes.as_user().post(f"/v1/events/replays/{job}/cancel")
        assert (cancelled.status_code, cancelled.json["state"]) == (200, "cancelled")
        broker = Taking()
        assert not self.runner(notes, broker).step(threading.Event())
        assert broker.taken == []
        again = notes.as_user().post(f"/v1/events/replays/{job}/cancel")
        assert (again.status_code, again.json["detail"]) == (409, "The replay is cancelled.")

    def test_who_is_no_consumer_is_refused(self, notes):
        answer = self.ask(notes, consumer="gateway")
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "consumer")
        answer = self.ask(notes, types=[LENT])
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "types")

    def test_it_needs_its_permission(self, notes):
        other = notes.as_user(grants={"notes.events.admin": "all"})
        assert other.get("/v1/events/replays").status_code == 403
        assert other.post("/v1/events/replays", json={}).status_code == 403

    def test_jobs_are_listed_newest_first_in_pages(self, notes):
        jobs = [self.ask(notes).json["id"] for _ in range(3)]
        first = notes.as_user().get("/v1/events/replays?limit=2").json
        assert [job["id"] for job in first["items"]] == [jobs[2], jobs[1]]
        rest = notes.as_user().get(f"/v1/events/replays?cursor={first['next_cursor']}").json
        assert [job["id"] for job in rest["items"]] == jobs[:1]
        assert rest["next_cursor"] is None

    def test_asking_is_kept_as_an_act(self, notes):
        job = self.ask(notes).json
        (act,) = notes.as_user().get("/v1/administrative-acts").json["items"]
        assert (act["act"], act["subject"], act["actor"]) == (
            "events.replay",
            "library",
            job["requested_by"],
        )
        assert act["detail"]["job"] == job["id"]


class TestRights:
    def publish(self, url: str, service: str, producer: str) -> set[str]:
        with closing(RabbitMQ(service, url).publisher(REPLAYS)) as publisher:
            return publisher.publish([Message(new_id(), replay_key(producer, "library"), b"{}")])

    def test_a_service_replays_what_is_its_own_and_nothing_else(self, rabbitmq_accounts):
        url = rabbitmq_accounts["notes"]
        assert len(self.publish(url, "notes", "notes")) == 1
        with pytest.raises(BrokerAway, match=r"ACCESS_REFUSED|access to topic"):
            self.publish(url, "notes", "gateway")


class TestForgetting:
    @pytest.fixture
    def library(self, make_service, exchanges) -> Harness:
        return make_service("library", exchanges=exchanges)

    def seen(self, library: Harness) -> set[str]:
        with library.service.database.reading() as session:
            return set(session.scalars(select(inbox.c.event_id)))

    def taken(self, notes: Harness, library: Harness) -> list[str]:
        ids = write_notes(notes, 3)
        with notes.service.database.transaction() as session:
            changed = write(session, {"title": "the fourth"})
            record(session, CHANGED, changed, state_of)
        events = [event for event in notes.published() if event.type in (WRITTEN, CHANGED)]
        library.deliver(*events)
        assert len(ids) == 3
        return [event.id for event in events]

    def forget(self, library: Harness, *arguments: str, status: int = 0) -> str:
        return run(
            library,
            *("events", "forget", "--from", "notes", "--since", "2020-01-01T00:00Z"),
            *arguments,
            status=status,
        )

    def test_a_dry_run_only_counts(self, notes, library):
        ids = self.taken(notes, library)
        assert self.forget(library, "--dry-run").startswith("would forget 5 ")
        assert self.seen(library) == set(ids)

    def test_it_is_narrowed_by_type_and_time(self, notes, library, monkeypatch):
        monkeypatch.setattr("crm_chassis.operations.forgetting._BATCH", 2)
        ids = self.taken(notes, library)
        changed = {event.id for event in notes.published(CHANGED)}
        later = (utc_now() + timedelta(hours=1)).isoformat()
        run(library, "events", "forget", "--from", "notes", "--since", later)
        assert self.seen(library) == set(ids)
        self.forget(library, "--type", CHANGED)
        assert self.seen(library) == set(ids) - changed

    def test_marks_of_an_older_version_are_forgotten_with_the_rest(self, notes, library):
        self.taken(notes, library)
        with library.service.database.transaction() as session:
            session.execute(update(inbox).values(type=None))
        assert "(5 of no known type)" in self.forget(library, "--type", CHANGED)
        assert self.seen(library) == set()

    def test_what_a_person_decides_of_stays_decided(self, notes, library):
        ids = self.taken(notes, library)
        entry = {
            "id": new_id(),
            "event_id": ids[0],
            "type": WRITTEN,
            "handler": "x",
            "reason": "x",
            "attempts": 1,
            "body": b"",
            "state": "discarded",
            "parked_at": utc_now(),
        }
        with library.service.database.transaction() as session:
            session.execute(parked_events.insert(), entry)
        assert "kept 1 parked or discarded" in self.forget(library)
        assert self.seen(library) == {ids[0]}

    def test_an_archive_forgets_nothing(self, notes, make_service, exchanges):
        archive = make_service("library", exchanges=exchanges, archive=True)
        ids = self.taken(notes, archive)
        assert "archives what it takes" in self.forget(archive, status=1)
        assert self.seen(archive) == set(ids)

    def test_it_is_kept_as_an_act_of_the_operator(self, notes, library):
        self.taken(notes, library)
        self.forget(library, "--by", "alice")
        with library.service.database.reading() as session:
            act = session.execute(select(administrative_acts)).one()
        assert (act.act, act.actor, act.detail["marks"]) == ("events.forget", "operator:alice", 5)
