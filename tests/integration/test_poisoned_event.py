"""An event that cannot be handled is parked, its neighbours go on, and a redrive mends the KPI."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection

from crm_chassis.events import Event
from crm_client.client import Client
from crm_local.testing import Running, embedded_platform
from crm_reporting.projections.fold import Projection

PARKED = "/api/reporting/v1/events/parked"


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Running]:
    with embedded_platform(tmp_path) as running:
        yield running


def opened(client: Client, name: str) -> dict[str, Any]:
    terms = {"name": name, "amount": "100", "currency": "EUR"}
    return client.post("/api/sales/v1/opportunities", terms)


def win(client: Client, deal: dict[str, Any]) -> None:
    path = f"/api/sales/v1/opportunities/{deal['id']}/win"
    client.post(path, {}, if_match=f'"{deal["version"]}"')


def test_a_poisoned_event_is_parked_and_redriven_after_the_fix(
    platform: Running, monkeypatch: pytest.MonkeyPatch, eventually: Callable[..., Any]
) -> None:
    client = platform.client()
    deals = [opened(client, f"Deal {number}") for number in range(4)]
    poisoned = deals[1]["id"]
    whole = Projection.fold

    def with_a_fault(self: Projection, connection: Connection, events: Sequence[Event]) -> None:
        if any(event.subject == poisoned and event.type.endswith("won.v1") for event in events):
            raise ValueError("a fault of this version")
        whole(self, connection, events)

    monkeypatch.setattr(Projection, "fold", with_a_fault)
    for deal in deals:
        win(client, deal)

    def won() -> Any:
        return client.get("/api/reporting/v1/kpis/won_count")["total"]["value"]

    eventually(won, 3)
    eventually(lambda: len(client.get(PARKED)["items"]), 1)
    (parked,) = client.get(PARKED)["items"]
    assert parked["event"]["subject"] == poisoned
    assert parked["reason"] == "ValueError: a fault of this version"
    assert parked["handler"].endswith("Projection.on_events")
    assert parked["attempts"] == 3

    monkeypatch.undo()
    client.post(f"{PARKED}/{parked['id']}/redrive")
    assert won() == 4
    assert client.get(PARKED)["items"] == []
