"""A service was restored, and does not know what it told: those who heard it are set right."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest
from notes_service import CHANGED, VOIDED, WRITTEN, Note, readings
from sqlalchemy import delete, select, update

from crm_chassis.broker import Delivery
from crm_chassis.context import Origin, acting
from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event, decode
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.operations.administration import administrative_acts
from crm_chassis.operations.reconcile import Outcome, Seen, first_id, seen, unseen
from crm_chassis.outbox import event_log
from crm_chassis.testing_harness import Harness

LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def library(make_service: Callable[..., Harness]) -> Iterator[Harness]:
    """Who hears of notes."""
    return make_service("library")


def write(notes: Harness, title: str = "Buy milk") -> Any:
    return notes.as_user().post("/v1/notes", json={"title": title}).json


def change(notes: Harness, note: Any, title: str) -> Any:
    path, stale = f"/v1/notes/{note['id']}", {"If-Match": f'"{note["version"]}"'}
    answer = notes.as_user().patch(path, json={"title": title}, headers=stale)
    assert answer.status_code == 200, answer.json
    return answer.json


def deliver(notes: Harness, *to: Harness) -> list[Event]:
    """Let others see all that is in the log."""
    events = notes.published()
    for consumer in to:
        consumer.deliver(*events)
    return events


def lose(notes: Harness, events: Sequence[Event], *, note: Any = None) -> None:
    """What a restore to before these events does; ``note`` is what was there then, if anything."""
    subject = events[0].subject
    with notes.service.database.transaction() as session:
        session.execute(delete(event_log).where(event_log.c.event_id.in_([e.id for e in events])))
        if note is None:
            session.execute(delete(Note).where(Note.id == subject))
        else:
            values = {"title": note["title"], "version": note["version"]}
            session.execute(update(Note).where(Note.id == subject).values(values))


def told(*consumers: Harness) -> list[Seen]:
    return [
        each
        for consumer in consumers
        for each in seen(consumer.service.database, consumer.name, "notes", LONG_AGO)
    ]


def reconcile(notes: Harness, *consumers: Harness) -> Outcome:
    with notes.service.database.transaction() as session, acting(Origin(actor="test")):
        return notes.service.reconciliation.reconcile(session, told(*consumers))


def titles(library: Harness) -> dict[str, str]:
    """What the library holds for the titles: those of the newest readings."""
    with library.service.database.reading() as session:
        rows = session.execute(select(readings).order_by(readings.c.sequence)).all()
    return {row.note_id: row.title for row in rows}


class TestWhatOthersSaw:
    def test_it_is_told_by_its_key_kind_and_version(self, notes: Harness, library: Harness) -> None:
        write(notes)
        (event,) = deliver(notes, library)
        (line,) = told(library)
        assert (line.id, line.type, line.subject, line.sequence, line.by) == (
            event.id,
            WRITTEN,
            event.subject,
            1,
            "library",
        )
        assert abs(datetime.fromisoformat(line.at) - event.time) < timedelta(seconds=1)
        assert Seen.parse(line.line()) == line

    def test_an_archive_tells_who_caused_it_too(
        self, notes: Harness, make_service: Callable[..., Harness]
    ) -> None:
        archive = make_service("library", archive=True)
        write(notes)
        (event,) = deliver(notes, archive)
        (line,) = told(archive)
        assert (line.id, line.subject, line.actor) == (event.id, event.subject, event.actor)

    def test_only_what_was_recorded_since_then(self, notes: Harness, library: Harness) -> None:
        write(notes)
        deliver(notes, library)
        database = library.service.database
        assert list(seen(database, "library", "notes", utc_now() + timedelta(seconds=2))) == []
        assert list(seen(database, "library", "gateway", LONG_AGO)) == []

    def test_a_key_made_then_is_not_before_the_first_of_then(self) -> None:
        now = utc_now()
        assert first_id(now) <= new_id() < first_id(now + timedelta(minutes=1))

    def test_what_they_have_not_seen_is_found(self, notes: Harness, library: Harness) -> None:
        write(notes)
        deliver(notes, library)
        write(notes)
        (_, missing) = notes.published()
        ids = {each.id for each in told(library)}
        with notes.service.database.reading() as session:
            assert list(unseen(session, [WRITTEN], LONG_AGO, ids)) == [missing.id]
            assert list(unseen(session, [CHANGED], LONG_AGO, ids)) == []


class TestReconciling:
    def test_when_nothing_was_lost_nothing_is_told(self, notes: Harness, library: Harness) -> None:
        write(notes)
        deliver(notes, library)
        assert reconcile(notes, library).orphans == []
        assert [event.type for event in notes.published()] == [WRITTEN]

    def test_what_is_there_is_told_anew_above_what_was_seen(
        self, notes: Harness, library: Harness
    ) -> None:
        note = write(notes)
        change(notes, change(notes, note, "lost"), "lost too")
        orphans = deliver(notes, library)[1:]
        lose(notes, orphans, note=note)
        outcome = reconcile(notes, library)
        assert [each.id for each in outcome.orphans] == [event.id for event in orphans]
        assert (outcome.gone, outcome.told) == ([], 1)
        (anew,) = notes.published(CHANGED)
        assert (anew.subject, anew.sequence, anew.data["title"]) == (note["id"], 4, "Buy milk")
        assert "change" not in anew.data
        deliver(notes, library)
        assert titles(library) == {note["id"]: "Buy milk"}

    def test_who_saw_a_lost_version_cannot_change_what_they_did_not_see(
        self, notes: Harness, library: Harness
    ) -> None:
        note = write(notes)
        lost = change(notes, note, "lost")
        lose(notes, deliver(notes, library)[1:], note=note)
        change(notes, note, "another one")  # it is of the lost one's version
        reconcile(notes, library)
        stale = {"If-Match": f'"{lost["version"]}"'}
        path = f"/v1/notes/{note['id']}"
        answer = notes.as_user().patch(path, json={"title": "blind"}, headers=stale)
        assert answer.status_code == 412

    def test_what_came_since_counts_where_it_is_newer(
        self, notes: Harness, library: Harness
    ) -> None:
        note = write(notes)
        change(notes, note, "lost")
        lose(notes, deliver(notes, library)[1:], note=note)
        newer = change(notes, change(notes, note, "since"), "since then")
        assert reconcile(notes, library).told == 0
        deliver(notes, library)
        assert titles(library) == {note["id"]: newer["title"]}

    def test_done_again_it_changes_nothing(self, notes: Harness, library: Harness) -> None:
        note = write(notes)
        change(notes, note, "lost")
        lose(notes, deliver(notes, library)[1:], note=note)
        reconcile(notes, library)
        events = deliver(notes, library)
        reconcile(notes, library)
        assert notes.published() == events

    def test_it_is_an_administrative_act(self, notes: Harness, library: Harness) -> None:
        write(notes)
        lose(notes, deliver(notes, library))
        reconcile(notes, library)
        with notes.service.database.reading() as session:
            act = session.execute(select(administrative_acts)).one()
        assert (act.act, act.actor, act.detail) == (
            "events.reconcile",
            "test",
            {"orphans": 1, "gone": 1, "told": 0},
        )


class TestWhatIsVoid:
    def lost(self, notes: Harness, *consumers: Harness) -> tuple[Event, Event]:
        """A note that nobody knows at its service any more, and the news of that."""
        write(notes)
        (orphan,) = deliver(notes, *consumers)
        lose(notes, [orphan])
        assert [each.id for each in reconcile(notes, *consumers).gone] == [orphan.id]
        (void,) = notes.published(VOIDED)
        return orphan, void

    def test_what_is_gone_is_forgotten(self, notes: Harness, library: Harness) -> None:
        _, void = self.lost(notes, library)
        assert titles(library)
        library.deliver(void)
        assert titles(library) == {}

    def test_what_comes_after_the_news_is_not_taken(
        self, notes: Harness, library: Harness, make_service: Callable[..., Harness]
    ) -> None:
        orphan, void = self.lost(notes, library)
        late = make_service("library")
        late.deliver(void)
        late.deliver(orphan)
        assert titles(late) == {}

    @pytest.mark.parametrize("first", [0, 1])
    def test_nor_what_comes_with_it(
        self, notes: Harness, library: Harness, make_service: Callable[..., Harness], first: int
    ) -> None:
        batch = self.lost(notes, library)
        late = make_service("library")
        late.deliver(batch[first], batch[1 - first])
        assert titles(late) == {}

    def test_an_archive_keeps_no_body_of_it(
        self, notes: Harness, make_service: Callable[..., Harness]
    ) -> None:
        archive = make_service("library", archive=True)
        orphan, void = self.lost(notes, archive)
        archive.deliver(void)
        with archive.service.database.reading() as session:
            bodies = session.scalars(select(inbox.c.body)).all()
        assert [decode(body).id for body in bodies if body] == [void.id]
        assert orphan.id in {each.id for each in told(archive)}

    def test_what_was_parked_of_it_is_discarded(self, notes: Harness, library: Harness) -> None:
        note = write(notes)
        (written,) = notes.published()
        body = orjson.loads(written.encode())
        body["data"]["title"] = 7
        bad = Delivery(written.id, orjson.dumps(body), None)
        library.service.processor.handle(library.service.processor.admit([bad]))
        lose(notes, [written])
        assert note["id"] in {each.subject for each in reconcile(notes, library).gone}
        library.deliver(*notes.published(VOIDED))
        with library.service.database.reading() as session:
            assert session.scalars(select(parked_events.c.state)).all() == ["discarded"]
