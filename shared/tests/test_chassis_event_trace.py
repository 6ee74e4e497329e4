"""Where an event is: each service tells what it knows of it, and nothing personal."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from notes_service import LENT, WRITTEN, write
from sqlalchemy import delete, update

from crm_chassis import outbox
from crm_chassis.broker.embedded import Exchanges
from crm_chassis.context import Origin, acting
from crm_chassis.database import new_id, utc_now
from crm_chassis.events import Event, Refused
from crm_chassis.inbox import inbox
from crm_chassis.operations.event_trace import without_values
from crm_chassis.outbox import event_log, relay_batches
from crm_chassis.testing_harness import Harness

READ_ALL = {"notes.events.read": "all"}


def write_note(service: Harness, title: str = "Buy milk", **origin: Any) -> Event:
    """Write a note; gives the event that tells of it."""
    with (
        service.service.database.transaction() as session,
        acting(Origin(actor="op-1", **origin)),
    ):
        write(session, {"title": title})
    return service.published()[-1]


def trace(service: Harness, event_id: str) -> dict[str, Any]:
    answer = service.as_user().get(f"/v1/events/{event_id}")
    assert answer.status_code == 200, answer.json
    return answer.json


def confirm(service: Harness, *event_ids: str) -> None:
    with service.service.database.engine.begin() as connection:
        outbox.confirmed(connection, event_ids)


def loan(note_id: str) -> Event:
    """The library's event of having lent a note."""
    loan_id = new_id()
    return Event(
        id=new_id(),
        type=LENT,
        source="/crm/library",
        subject=loan_id,
        time=datetime.now(UTC),
        sequence=1,
        data={"id": loan_id, "note_id": note_id},
        actor="library",
        correlationid="visit-9",
    )


class TestMakingAndPublishing:
    def test_an_event_waits_in_the_outbox_until_the_broker_confirms_it(self, notes):
        event = write_note(notes, correlation_id="visit-1")
        known = trace(notes, event.id)
        assert known["service"] == "notes"
        assert known["made"] == {
            "id": event.id,
            "type": WRITTEN,
            "subject": event.subject,
            "sequence": 1,
            "recorded_at": known["made"]["recorded_at"],
            "actor": "op-1",
            "correlation_id": "visit-1",
            "causation_id": None,
            "traceparent": None,
        }
        assert datetime.fromisoformat(known["made"]["recorded_at"]) == event.time
        waiting = {"waits_in_outbox": True, "confirmed_at": None, "consumers": ["library"]}
        assert known["published"] == waiting

        confirm(notes, event.id)
        published = trace(notes, event.id)["published"]
        assert not published["waits_in_outbox"]
        assert datetime.fromisoformat(published["confirmed_at"]) >= event.time

    def test_each_event_is_found_in_its_own_batch_where_batches_overlap(self, notes):
        ids = [write_note(notes, str(number)).id for number in range(6)]
        batches = ([ids[0], ids[5]], [ids[1], ids[4]], [ids[2]], [ids[3]])
        at = {}
        for number, batch in enumerate(batches):
            confirm(notes, *batch)
            time = utc_now().replace(microsecond=0) + timedelta(hours=number)
            at |= dict.fromkeys(batch, time)
            with notes.service.database.transaction() as session:
                mine = relay_batches.c.first_id == min(batch)
                session.execute(update(relay_batches).where(mine).values(confirmed_at=time))
        with notes.service.database.reading() as session:
            assert {id_: outbox.confirmed_at(session, id_) for id_ in ids} == at

    def test_of_one_that_was_confirmed_before_that_was_kept_only_the_time_is_not_known(self, notes):
        event = write_note(notes)
        confirm(notes, event.id)
        with notes.service.database.transaction() as session:
            session.execute(delete(relay_batches))
        published = trace(notes, event.id)["published"]
        assert published == {
            "waits_in_outbox": False,
            "confirmed_at": None,
            "consumers": ["library"],
        }

    def test_what_was_confirmed_is_forgotten_with_the_log(self, notes):
        confirm(notes, write_note(notes).id)

        def batches() -> int:
            with notes.service.database.reading() as session:
                return len(session.execute(relay_batches.select()).all())

        with notes.service.database.engine.begin() as connection:
            outbox.keep_log(connection, days=30)
        assert batches() == 1
        long_ago = "00000000-0000-7000-8000-000000000000"
        with notes.service.database.transaction() as session:
            session.execute(update(relay_batches).values(last_id=long_ago))
        with notes.service.database.engine.begin() as connection:
            outbox.keep_log(connection, days=30)
        assert batches() == 0


class TestArrival:
    def test_of_an_event_it_never_heard_of_it_knows_nothing(self, notes):
        known = trace(notes, new_id())
        assert known["made"] is known["published"] is known["received"] is None
        assert known["caused"] == []

    def test_one_that_was_applied_names_its_handler_and_what_it_caused(self, notes):
        note = write_note(notes)
        lent = loan(note.subject)
        notes.deliver(lent)
        received = trace(notes, lent.id)["received"]
        assert received["outcome"] == "applied"
        assert received["handler"] == "notes_service.on_loan"
        assert received["parked"] == []
        (caused,) = trace(notes, lent.id)["caused"]
        assert caused["subject"] == note.subject
        assert caused["causation_id"] == lent.id
        assert trace(notes, caused["id"])["made"] == caused

    def test_one_that_was_parked_says_why_and_what_became_of_it(self, notes):
        lent = loan(new_id())
        notes.deliver(lent)
        received = trace(notes, lent.id)["received"]
        assert received["outcome"] == "parked"
        (parked,) = received["parked"]
        assert parked["reason"] == "no such note"
        assert parked["handler"] == received["handler"] == "notes_service.on_loan"
        notes.as_user().post(f"/v1/events/parked/{parked['id']}/discard", json={"reason": "x"})
        received = trace(notes, lent.id)["received"]
        assert received["outcome"] == received["parked"][0]["state"] == "discarded"

    def test_one_that_was_redriven_arrived_when_it_was_parked(self, make_service):
        faults = [Refused("not yet"), Refused("not yet")]  # of the batch, and of the event alone

        def fail_at_first(session: Any, events: Any) -> None:
            if faults:
                raise faults.pop()

        service = make_service("notes", subscriptions={LENT: fail_at_first})
        lent = loan(new_id())
        service.deliver(lent)
        (parked,) = trace(service, lent.id)["received"]["parked"]
        service.as_user().post(f"/v1/events/parked/{parked['id']}/redrive", json={})
        received = trace(service, lent.id)["received"]
        assert received["outcome"] == "redriven"
        assert received["at"] == parked["parked_at"]

    def test_a_consumer_says_since_when_it_remembers(self, notes):
        since = datetime.fromisoformat(trace(notes, new_id())["remembers_received_since"])
        age = utc_now() - since
        assert timedelta(days=89) < age < timedelta(days=91)

    def test_one_that_an_older_version_received_has_no_known_handler(self, notes):
        event_id = new_id()
        with notes.service.database.transaction() as session:
            session.execute(inbox.insert(), {"event_id": event_id, "received_at": utc_now()})
        received = trace(notes, event_id)["received"]
        assert (received["outcome"], received["handler"]) == ("applied", None)

    def test_it_is_followed_from_one_service_to_the_other(
        self, make_service: Callable[..., Harness], exchanges: Exchanges, wait_for
    ):
        notes = make_service("notes", exchanges=exchanges)
        library = make_service("library", exchanges=exchanges)
        for each in (notes, library):
            each.service.start_worker()
        event = write_note(notes)
        wait_for(lambda: trace(notes, event.id)["published"]["confirmed_at"])
        made, received = trace(notes, event.id), trace(library, event.id)
        assert received["made"] is None
        assert received["received"]["handler"] == "notes_service.on_note"
        assert made["received"] is None


class TestSearch:
    @pytest.fixture
    def events(self, notes) -> list[Event]:
        for title in ("a", "b", "c"):
            write_note(notes, title)
        return notes.published()

    def listed(self, notes: Harness, **query: Any) -> list[str]:
        answer = notes.as_user().get("/v1/events", query_string=query)
        assert answer.status_code == 200, answer.json
        return [item["id"] for item in answer.json["items"]]

    def test_by_subject(self, notes, events):
        assert self.listed(notes, subject=events[1].subject) == [events[1].id]
        assert self.listed(notes, subject=events[1].subject, type=LENT) == []
        assert self.listed(notes, subject=events[1].subject, type=WRITTEN) == [events[1].id]

    def test_by_time(self, notes, events):
        start = events[1].time.isoformat()
        assert self.listed(notes, since=start) == [events[2].id, events[1].id]
        earlier = (events[0].time - timedelta(days=1)).isoformat()
        assert self.listed(notes, since=earlier, until=start) == [events[0].id]

    def test_page_after_page(self, notes, events):
        found, cursor = [], {}
        earlier = (events[0].time - timedelta(days=1)).isoformat()
        while True:
            query = {"since": earlier, "limit": 2, **cursor}
            page = notes.as_user().get("/v1/events", query_string=query).json
            found += [item["id"] for item in page["items"]]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert found == [event.id for event in reversed(events)]

    def test_not_the_whole_log_at_once(self, notes):
        answer = notes.as_user().get("/v1/events", query_string={"type": WRITTEN})
        assert answer.status_code == 422
        assert answer.json["errors"] == [{"field": "since", "detail": "Say subject or since."}]


class TestWhoMayAsk:
    @pytest.mark.parametrize(
        "grants", [{}, {"notes.notes.read": "all"}, {"notes.events.read": "team"}]
    )
    def test_only_who_may_read_all_events(self, notes, grants):
        asker = notes.as_user(grants)
        for path in (f"/v1/events/{new_id()}", "/v1/events?subject=x"):
            answer = asker.get(path)
            assert answer.status_code == 403
            assert "notes.events.read" in answer.json["detail"]
        assert notes.as_user(READ_ALL).get("/v1/events?subject=x").status_code == 200

    def test_nothing_of_the_data_is_told(self, notes):
        event = write_note(notes, "王芳 13800138000")
        asker = notes.as_user(READ_ALL)
        for path in (f"/v1/events/{event.id}", f"/v1/events?subject={event.subject}"):
            assert "13800138000" not in asker.get(path).get_data(as_text=True)
        with notes.service.database.reading() as session:
            assert session.execute(event_log.select()).all()

    @pytest.mark.parametrize(
        ("reason", "told"),
        [
            ("no such note", "no such note"),
            ("data.email: 'li.na@example.com' is too long", "data.email: … is too long"),
            (
                'UniqueViolation: duplicate key "u"\nDETAIL: Key (phone)=(+8613800138000) exists.',
                "UniqueViolation: duplicate key …",
            ),
            ("Key (phone)=(13800138000) exists", "Key … exists"),
        ],
    )
    def test_a_reason_is_told_without_the_values_in_it(self, reason, told):
        assert without_values(reason) == told
