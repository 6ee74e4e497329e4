from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crm_chassis.testing_runtimes import free_port
from crm_gateway.routes import ROUTES
from crm_gateway.testing_harness import (
    Caller,
    Running,
    StubService,
    running_gateway,
    serving,
    settings_for,
)


@pytest.fixture
def service() -> StubService:
    return StubService()


@pytest.fixture
def service_address(service: StubService) -> Iterator[str]:
    with serving(service) as address:
        yield address


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The routing table with time-outs that a test can wait for."""
    routes = tuple(replace(route, connect_seconds=0.5, read_seconds=0.5) for route in ROUTES)
    monkeypatch.setattr("crm_gateway.app.ROUTES", routes)


@pytest.fixture
def gateway(tmp_path: Path, service_address: str) -> Iterator[Running]:
    """Reporting is away: nothing listens at its address."""
    settings = settings_for(
        tmp_path, service_address, reporting_url=f"http://127.0.0.1:{free_port()}"
    )
    with running_gateway(settings) as running:
        yield running


@pytest.fixture
def admin(gateway: Running) -> Caller:
    return gateway.sign_in()
