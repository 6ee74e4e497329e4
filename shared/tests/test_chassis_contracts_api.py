"""A service that runs tells which events it publishes and handles, and by which contracts."""

from __future__ import annotations

from typing import Any

from notes_service import CONTRACTS

from crm_chassis import __version__
from crm_chassis.testing_harness import Harness
from crm_contracts.statements import read_statement, state


def test_a_service_states_its_contracts(make_service: Any) -> None:
    notes: Harness = make_service("notes")
    answer = notes.as_user().get("/v1/events/contracts")
    assert answer.status_code == 200
    stated = read_statement(answer.data)
    assert stated == state("notes", notes.service.version, CONTRACTS, stated.handles)
    assert set(stated.handles) == {c.type for c in CONTRACTS.consumed_by("notes")}
    assert set(stated.publishes) == {c.type for c in CONTRACTS.produced_by("notes")}


def test_only_who_may_read_events_is_told(make_service: Any) -> None:
    notes: Harness = make_service("notes")
    stranger = notes.as_user(grants={"notes.notes.read": "all"})
    assert stranger.get("/v1/events/contracts").status_code == 403
    assert notes.anonymous().get("/v1/events/contracts").status_code == 401


def test_a_service_tells_its_version_and_the_chassis_it_was_built_with(make_service: Any) -> None:
    notes: Harness = make_service("notes")
    told = notes.anonymous().get("/healthz").json
    assert told is not None
    assert (told["version"], told["chassis"]) == (notes.service.version, __version__)
