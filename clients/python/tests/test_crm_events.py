"""`crm events`: where an event is, in words that a person on duty understands."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner

from crm_client.cli import main
from crm_client.event_traces import MOST_EVENTS
from crm_client.resources import SERVICES, base_path

pytestmark = pytest.mark.usefixtures("signed_in")

NOW = datetime.now(UTC)
TYPE = "crm.sales.lead.converted.v1"


def at(**ago: int) -> str:
    return (NOW - timedelta(**ago)).isoformat().replace("+00:00", "Z")


def crm(*args: str):
    return CliRunner().invoke(main, ["events", *args])


class Story:
    """What the services of the platform know, event by event."""

    def __init__(self, platform: Any) -> None:
        self.platform = platform

    def knows(self, service: str, event_id: str, **known: Any) -> None:
        nothing = {"made": None, "published": None, "received": None, "caused": []}
        since = {"remembers_received_since": at(days=90)}
        answer = {"service": service, "id": event_id, **nothing, **since, **known}
        asked = f"GET {base_path(service)}/events/{event_id}"
        self.platform.replies[asked] = self.platform.json(answer)

    def made(self, event_id: str, service: str = "sales", **more: Any) -> dict[str, Any]:
        """An event of sales that others know nothing of yet."""
        for each in SERVICES:
            self.knows(each, event_id)
        made = {
            "id": event_id,
            "type": TYPE,
            "subject": "lead-1",
            "sequence": 3,
            "recorded_at": at(seconds=10),
            "actor": "li-na",
            "correlation_id": "visit-1",
            "causation_id": None,
            "traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01",
            **more,
        }
        self.published(made, service, confirmed_at=at(seconds=9))
        return made

    def published(self, made: dict[str, Any], service: str = "sales", **way: Any) -> None:
        published = {"waits_in_outbox": False, "confirmed_at": None, "consumers": ["customer"]}
        self.knows(service, made["id"], made=made, published=published | way)

    def received(self, event_id: str, service: str, caused: Any = (), **how: Any) -> None:
        received = {
            "at": at(seconds=8),
            "outcome": "applied",
            "handler": "crm_customer.conversions.on_converted",
            "parked": [],
            "effects": [],
            **how,
        }
        self.knows(service, event_id, received=received, caused=list(caused))


@pytest.fixture
def story(platform) -> Story:
    return Story(platform)


@pytest.fixture
def event_id() -> str:
    return str(uuid.uuid4())


def test_an_event_nobody_has_heard_of(story, event_id):
    for service in SERVICES:
        story.knows(service, event_id)
    failed = crm("trace", event_id)
    assert failed.exit_code == 1
    assert "No service has heard of this event." in failed.stderr


def test_an_event_that_is_still_in_the_outbox(story, event_id):
    made = story.made(event_id)
    story.published(made, waits_in_outbox=True)
    shown = crm("trace", event_id)
    assert shown.exit_code == 0, shown.output
    assert "made by sales at" in shown.stdout
    assert "by li-na: version 3 of lead-1" in shown.stdout
    assert f"in the trace {'ab' * 16}" in shown.stdout
    assert "still in the outbox of sales, for " in shown.stdout
    assert "customer: not sent to it yet" in shown.stdout


def test_an_event_that_is_published_and_not_consumed(story, event_id):
    story.made(event_id)
    shown = crm("trace", event_id).stdout
    assert "published 1.0 s later" in shown
    assert "customer: published but not yet consumed" in shown


def test_an_event_that_is_older_than_its_consumer_remembers(story, event_id):
    story.made(event_id, recorded_at=at(days=91))
    assert "customer: not known any more" in crm("trace", event_id).stdout


def test_an_event_that_was_parked_says_why_and_what_to_do(story, event_id):
    story.made(event_id)
    parked = {
        "id": "p1",
        "state": "parked",
        "handler": "h",
        "reason": "no such account",
        "attempts": 3,
        "parked_at": at(seconds=7),
        "settled_at": None,
        "settled_by": None,
    }
    story.received(event_id, "customer", outcome="parked", parked=[parked])
    shown = crm("trace", event_id).stdout
    assert "after 3 attempts: no such account; when mended: crm parked redrive customer p1" in shown
    assert "applied" not in shown

    settled = {"state": "redriven", "settled_at": at(seconds=1), "settled_by": "op-1"}
    story.received(event_id, "customer", outcome="redriven", parked=[parked | settled])
    assert f"no such account; redriven at {at(seconds=1)} by op-1" in crm("trace", event_id).stdout


def test_an_event_that_had_effects(story, event_id):
    made = story.made(event_id)
    story.published(made, confirmed_at=at(seconds=9), consumers=["customer", "reporting"])
    below = str(uuid.uuid4())
    child = story.made(below, "customer", type="crm.customer.account.created.v1")
    story.received(event_id, "customer", caused=[child])
    effects = [
        {"table": "leads", "key": "lead-1", "state": "stands", "counted_in": ["leads"]},
        {"table": "lead_moves", "key": "m", "state": "gone", "counted_in": []},
    ]
    story.received(event_id, "reporting", effects=effects)
    shown = crm("trace", event_id).stdout
    assert "customer: applied 2.0 s later by crm_customer.conversions.on_converted" in shown
    assert "reporting: leads lead-1 stands, counted in leads" in shown
    assert "reporting: lead_moves m is gone" in shown
    assert f"crm.customer.account.created.v1 {below}" in shown
    assert "made by customer" in shown

    document = json.loads(crm("trace", event_id, "--json").stdout)
    assert document["producer"] == "sales"
    assert [each["event_id"] for each in document["caused"]] == [below]


def test_a_service_that_may_not_be_asked_is_named(story, platform, event_id):
    story.made(event_id)
    why = "This needs the permission customer.events.read."
    platform.replies[f"GET /api/customer/v1/events/{event_id}"] = platform.problem(403, why)
    shown = crm("trace", event_id)
    assert f"customer: did not say: {why}" in shown.stdout
    assert shown.exit_code == 0

    platform.replies[f"GET /api/sales/v1/events/{event_id}"] = platform.problem(403, why)
    failed = crm("trace", event_id)
    assert failed.exit_code == 1
    assert "Those who answered have not heard of it; customer, sales did not say." in failed.stderr


def test_a_crowd_of_caused_events_ends(story, platform, event_id):
    story.made(event_id)
    ids = sorted(str(uuid.uuid4()) for _ in range(MOST_EVENTS + 5))
    caused = [story.made(each, "customer", recorded_at=at(seconds=5)) for each in ids]
    story.received(event_id, "customer", caused=caused)
    document = json.loads(crm("trace", event_id, "--json").stdout)
    assert len(document["caused"]) == MOST_EVENTS - 1
    assert document["more"] == ids[MOST_EVENTS - 1 :]


def test_events_of_a_record_are_listed(story, platform):
    made = story.made(str(uuid.uuid4()))
    platform.replies["GET /api/sales/v1/events"] = platform.page([made])
    shown = crm("list", "--service", "sales", "--subject", "lead-1", "--since", "2h")
    assert shown.exit_code == 0, shown.output
    assert TYPE in shown.stdout
    query = dict(platform.asked("GET", "/api/sales/v1/events")[0].query)
    assert query["subject"] == "lead-1"
    ago = datetime.now(UTC) - datetime.fromisoformat(query["since"])
    assert timedelta(hours=2) <= ago < timedelta(hours=2, minutes=5)
    assert platform.asked("GET", "/api/identity/v1/events") == []


def test_the_gateways_own_events_are_listed(platform):
    platform.replies["GET /api/identity/v1/events"] = platform.page([])
    assert crm("list", "--service", "gateway", "--since", "2026-11-22").exit_code == 0
    query = dict(platform.asked("GET", "/api/identity/v1/events")[0].query)
    assert query["since"] == "2026-11-22T00:00:00+00:00"


@pytest.mark.parametrize("options", [[], ["--since", "yesterday"]])
def test_a_list_without_bounds_is_refused(options):
    assert crm("list", "--service", "sales", *options).exit_code == 2
