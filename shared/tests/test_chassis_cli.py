"""What an operator does from the command line."""

from __future__ import annotations

import json

import pytest
from notes_service import CONTRACTS, LENT, WRITTEN

from crm_chassis.broker import Delivery
from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness


@pytest.fixture
def one(make_service) -> Harness:
    return make_service("notes")


def run(service: Harness, *arguments: str, status: int = 0) -> str:
    with service.app.app_context():  # which the flask command opens itself
        result = service.app.test_cli_runner().invoke(args=list(arguments))
    assert result.exit_code == status, result.output
    return result.output


def parked(service: Harness, *options: str) -> list[dict]:
    return [json.loads(line) for line in run(service, "events", "parked", *options).splitlines()]


@pytest.fixture
def one_parked(one) -> str:
    """The id of a parked event: bytes that are none."""
    one.service.processor.admit([Delivery("m-1", b'{"type": "x", \xff', None)])
    return parked(one)[0]["id"]


def test_parked_events_are_listed_a_line_each(one, one_parked):
    (entry,) = parked(one)
    assert entry["event_id"] == "m-1"
    assert entry["reason"].startswith("malformed")
    assert parked(one, "--state", "discarded") == []


def test_a_redrive_that_fails_says_why(one, one_parked):
    assert "malformed" in run(one, "events", "redrive", one_parked, status=1).lower()
    assert parked(one)[0]["attempts"] == 2


def test_what_is_not_there_is_said(one):
    assert "No such parked event" in run(one, "events", "redrive", new_id(), status=1)


def test_a_discard_is_kept_with_its_reason(one, one_parked):
    run(one, "events", "discard", one_parked, "--reason", "a test", "--by", "alice")
    assert parked(one) == []
    (entry,) = parked(one, "--state", "discarded")
    assert (entry["settled_by"], entry["settled_because"]) == ("operator:alice", "a test")


def test_migrating_again_does_nothing(one):
    run(one, "migrate")
    assert one.service.migrations.current()


def test_the_definitions_give_each_account_its_least_rights(one):
    output = run(one, "events", "definitions", "notes=amqp://notes-user:se%2Fcret@broker:5672/crm")
    found = json.loads(output)
    assert "se/cret" not in output
    assert [user["name"] for user in found["users"]] == ["notes-user"]
    (rights,) = found["permissions"]
    assert rights["configure"] == "^$"
    assert {(each["exchange"], each["write"]) for each in found["topic_permissions"]} == {
        ("crm.events", r"^crm\.notes\."),
        ("crm.replay", r"^notes\."),
    }
    routed = {(b["routing_key"], b["destination"]) for b in found["bindings"]}
    assert {(LENT, "notes.events"), (WRITTEN, "library.events")} <= routed
    assert {("*.notes", "notes.events"), ("*.library", "library.events")} <= routed
    assert {contract.type for contract in CONTRACTS.consumed_by("notes")} == {
        key for key, queue in routed if queue == "notes.events" and key != "*.notes"
    }
