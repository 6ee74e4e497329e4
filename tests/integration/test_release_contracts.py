"""What runs states its contracts through the gateway, to whom may read events."""

from __future__ import annotations

import pytest

from crm_contracts import catalogue
from crm_contracts.rollout import compare
from crm_contracts.running import NotAnswered, ask
from crm_contracts.statements import state
from crm_local.testing import Running

pytestmark = pytest.mark.parametrize("platform", ["embedded"], indirect=True)


def become_client(monkeypatch: pytest.MonkeyPatch, platform: Running, *services: str) -> None:
    """An API client that may read the events of these services."""
    admin = platform.administrator()
    grants = dict.fromkeys((f"{service}.events.read" for service in services), "all")
    client = admin.post("identity/v1/clients", {"name": "pipeline", "own_grants": grants})
    secret = admin.post(f"identity/v1/clients/{client['id']}/secret")["client_secret"]
    monkeypatch.setenv("CRM_CLIENT_ID", client["id"])
    monkeypatch.setenv("CRM_CLIENT_SECRET", secret)


def test_what_runs_is_asked_through_the_gateway(
    platform: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = catalogue().services
    become_client(monkeypatch, platform, *services)
    running = ask(platform.address, services)
    assert [each.service for each in running] == list(services)
    for each in running:
        assert each == state(each.service, each.version, catalogue())
        assert compare(each, running).findings == []


def test_who_may_not_read_events_is_not_told(
    platform: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    become_client(monkeypatch, platform, "sales")
    assert [each.service for each in ask(platform.address, ["sales"])] == ["sales"]
    with pytest.raises(NotAnswered, match=r"reporting.* answered 403"):
        ask(platform.address, ["sales", "reporting"])
    monkeypatch.setenv("CRM_CLIENT_SECRET", "wrong")
    with pytest.raises(NotAnswered, match="auth/token"):
        ask(platform.address, ["sales"])
    monkeypatch.delenv("CRM_CLIENT_SECRET")
    with pytest.raises(NotAnswered, match="CRM_CLIENT_SECRET is not set"):
        ask(platform.address, ["sales"])
