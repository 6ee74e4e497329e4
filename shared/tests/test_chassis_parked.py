"""Parked events, settled one by one and many at once; dead letters, parked."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from kombu import Connection
from notes_service import CHANGED, WRITTEN

from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.broker.topology import DEAD_LETTERS
from crm_chassis.database import new_id
from crm_chassis.events import Event, Refused
from crm_chassis.testing_harness import Harness
from crm_chassis.testing_harness import event as example_event

PATH = "/v1/events/parked"


class Picky:
    """A handler that refuses everything until it is mended; and for ever what is cursed."""

    def __init__(self) -> None:
        self.mended = False
        self.cursed: set[str] = set()
        self.applied: list[str] = []

    def on_note(self, _session: Any, events: list[Event]) -> None:
        for event in events:
            if not self.mended or event.id in self.cursed:
                raise Refused("not today")
            self.applied.append(event.id)


@pytest.fixture
def picky() -> Picky:
    return Picky()


@pytest.fixture(params=["sqlite", "postgresql"])
def library(request, make_service, picky) -> Harness:
    url = request.getfixturevalue("postgres_url") if request.param == "postgresql" else None
    handlers = {WRITTEN: picky.on_note, CHANGED: picky.on_note}
    return make_service("library", url, subscriptions=handlers)


def note_event(event_type: str = WRITTEN) -> Event:
    note = {"id": new_id(), "title": "x", "phone": None, "price": "0.00", "lent": False}
    usual = example_event("crm.gateway.team.created.v1", {})
    return replace(
        usual, id=new_id(), type=event_type, source="/crm/notes", subject=note["id"], data=note
    )


def park(library: Harness, *types: str) -> list[str]:
    """Have events parked; gives their ids as events."""
    events = [note_event(event_type) for event_type in types]
    for event in events:
        library.deliver(event)
    return [event.id for event in events]


def parked(library: Harness, query: str = "") -> list[dict[str, Any]]:
    return library.as_user().get(f"{PATH}?{query}").json["items"]


def post(library: Harness, move: str, **body: Any) -> Any:
    return library.as_user().post(f"{PATH}/{move}", json=body)


def run(service: Harness, *arguments: str, status: int = 0) -> str:
    with service.app.app_context():
        result = service.app.test_cli_runner().invoke(args=["events", *arguments])
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


class TestOne:
    @pytest.mark.parametrize("again", ["redrive", "discard"])
    @pytest.mark.parametrize(
        ("first", "state"), [("redrive", "redriven"), ("discard", "discarded")]
    )
    def test_what_is_settled_says_so(self, library, picky, first, state, again):
        park(library, WRITTEN)
        picky.mended = True
        (entry,) = parked(library)
        assert post(library, f"{entry['id']}/{first}", reason="x").status_code == 200
        refused = post(library, f"{entry['id']}/{again}", reason="x")
        assert refused.status_code == 409
        assert refused.json["detail"] == f"The event is not parked any more: it is {state}."

    def test_of_two_operators_one_settles_it(self, library, picky, at_once):
        ids = park(library, WRITTEN)
        picky.mended = True
        (entry,) = parked(library)
        statuses = at_once(lambda: post(library, f"{entry['id']}/redrive").status_code, 4)
        assert sorted(statuses) == [200, 409, 409, 409]
        assert picky.applied == ids

    def test_it_is_kept_as_an_act(self, library, picky):
        park(library, WRITTEN, CHANGED)
        first, second = parked(library)
        operator = library.as_user()
        operator.post(f"{PATH}/{first['id']}/redrive")
        picky.mended = True
        operator.post(f"{PATH}/{first['id']}/redrive")
        run(library, "discard", second["id"], "--reason", "a test", "--by", "alice")
        acts = library.as_user().get("/v1/administrative-acts").json["items"]
        assert [(act["act"], act["actor"], act["subject"]) for act in acts] == [
            ("events.discarded", "operator:alice", second["id"]),
            ("events.redriven", operator.id, first["id"]),
            ("events.redrive_failed", operator.id, first["id"]),
        ]
        assert acts[0]["detail"] == {
            "event": second["event_id"],
            "type": CHANGED,
            "because": "a test",
        }


class TestMany:
    def test_all_are_redriven_and_what_fails_is_told(self, library, picky):
        ids = park(library, WRITTEN, CHANGED, WRITTEN)
        picky.mended = True
        picky.cursed = {ids[1]}
        answer = post(library, "redrive", all=True)
        assert answer.status_code == 200, answer.json
        (stays,) = parked(library)
        assert stays["event_id"] == ids[1]
        assert answer.json == {
            "done": 2,
            "failed": [
                {"id": stays["id"], "detail": "It still cannot be handled: Refused: not today"}
            ],
            "next_cursor": None,
        }
        assert picky.applied == [ids[0], ids[2]]

    def test_a_batch_is_bounded_and_the_next_one_does_not_try_the_failed_again(
        self, library, picky
    ):
        ids = park(library, *[WRITTEN] * 5)
        picky.mended = True
        picky.cursed = {ids[0]}
        first = post(library, "redrive", all=True, limit=2).json
        assert (first["done"], len(first["failed"])) == (1, 1)
        second = post(library, "redrive", all=True, cursor=first["next_cursor"]).json
        assert (second["done"], second["failed"], second["next_cursor"]) == (3, [], None)

    def test_they_are_chosen_by_type_or_handler(self, library, picky):
        park(library, WRITTEN, CHANGED)
        assert post(library, "discard", type=CHANGED, reason="x").json["done"] == 1
        (left,) = parked(library)
        assert left["type"] == WRITTEN
        assert post(library, "discard", handler="of.another", reason="x").json["done"] == 0
        assert parked(library, "handler=of.another") == []
        assert len(parked(library, f"handler={left['handler']}&type={WRITTEN}")) == 1
        assert post(library, "discard", handler=left["handler"], reason="x").json["done"] == 1

    @pytest.mark.parametrize("body", [{}, {"all": True, "type": WRITTEN}, {"all": False}])
    def test_it_has_to_be_said_which(self, library, body):
        refused = post(library, "redrive", **body)
        assert (refused.status_code, refused.json["errors"][0]["field"]) == (422, "all")

    def test_two_operators_at_once_settle_each_event_once(self, library, picky, at_once):
        ids = park(library, *[WRITTEN] * 6)
        picky.mended = True
        answers = at_once(lambda: post(library, "redrive", all=True).json, 2)
        assert sum(answer["done"] for answer in answers) == 6
        assert sorted(picky.applied) == ids

    def test_it_needs_the_right_to_administer_events(self, library):
        stranger = library.as_user(grants={"library.notes.*": "all"})
        for move in ("redrive", "discard"):
            assert stranger.post(f"{PATH}/{move}", json={"all": True}).status_code == 403


class TestCommands:
    @pytest.fixture
    def library(self, make_service, picky) -> Harness:
        handlers = {WRITTEN: picky.on_note, CHANGED: picky.on_note}
        return make_service("library", subscriptions=handlers)

    def test_all_are_redriven_in_batches(self, library, picky, monkeypatch):
        monkeypatch.setattr("crm_chassis.operations.parked._BATCH", 2)
        ids = park(library, *[WRITTEN] * 5)
        picky.mended = True
        picky.cursed = {ids[0]}
        output = run(library, "redrive", "--all", status=1)
        assert "Refused: not today" in output
        assert output.endswith("4 done, 1 not\n")

    def test_those_of_a_type_are_discarded(self, library):
        park(library, WRITTEN, CHANGED)
        assert run(library, "discard", "--type", WRITTEN, "--reason", "x") == "1 done, 0 not\n"
        assert [entry["type"] for entry in parked(library)] == [CHANGED]

    @pytest.mark.parametrize("arguments", [(), ("--all", "--type", WRITTEN)])
    def test_it_has_to_be_said_which(self, library, arguments):
        assert "or --all" in run(library, "redrive", *arguments, status=2)


class TestDeadLetters:
    @pytest.fixture
    def library(self, make_service, picky, rabbitmq_accounts) -> Harness:
        handlers = {WRITTEN: picky.on_note, CHANGED: picky.on_note}
        library = make_service("library", subscriptions=handlers)
        library.service.broker = RabbitMQ("library", rabbitmq_accounts["library"])
        return library

    @pytest.fixture
    def send_dead(self, rabbitmq_accounts):
        """Puts bodies where the broker puts what it gives up on."""
        with closing(Connection(rabbitmq_accounts["admin"])) as connection:
            producer = connection.Producer()

            def send(*letters: tuple[str, bytes]) -> None:
                for id_, body in letters:
                    producer.publish(
                        body,
                        exchange=DEAD_LETTERS,
                        routing_key="library",
                        message_id=id_,
                        content_type="application/cloudevents+json",
                        content_encoding="binary",
                    )

            yield send

    def test_they_are_listed_and_stay(self, library, send_dead):
        event = note_event()
        send_dead((event.id, event.encode()))
        for _ in range(2):
            assert event.id in run(library, "dead")
        assert parked(library) == []

    def test_they_are_parked_and_can_be_redriven(self, library, picky, send_dead):
        deadly, done = note_event(), note_event(CHANGED)
        picky.mended = True
        library.deliver(done)  # and was killed before it could say so
        send_dead((deadly.id, deadly.encode()), ("m-1", b"no event"), (done.id, done.encode()))
        output = run(library, "dead", "--park")
        assert len(output.splitlines()) == 3
        assert run(library, "dead") == ""
        first, second = parked(library)
        assert (first["event_id"], second["event_id"]) == (deadly.id, "m-1")
        assert first["reason"] == "dead letter: consumers died on it"
        assert post(library, f"{first['id']}/redrive").status_code == 200
        assert picky.applied == [done.id, deadly.id]

    def test_without_a_broker_of_its_own_there_are_none(self, make_service):
        assert "embedded" in run(make_service("library"), "dead", status=1)
