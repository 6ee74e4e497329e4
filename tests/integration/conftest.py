"""The platform whole, in both ways to run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.broker import topology
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_client.client import Client
from crm_client.tokens import PasswordGrant
from crm_contracts import catalogue
from crm_local.platform import Options, Platform
from crm_local.processes import MODULES, ProcessPlatform, service_accounts

EMAIL, PASSWORD = "admin@example.com", "correct horse battery staple"


@dataclass
class Running:
    """A platform that answers.

    :ivar inside: the embedded platform or the processes, for tests that reach into it.
    """

    address: str
    inside: Platform | ProcessPlatform

    @property
    def embedded(self) -> bool:
        return isinstance(self.inside, Platform)

    def client(self, email: str = EMAIL, password: str = PASSWORD) -> Client:
        """A signed-in client."""
        client = Client(self.address)
        client.sign_in(PasswordGrant(email, password))
        return client


@contextmanager
def embedded_platform(folder: Path) -> Iterator[Running]:
    options = Options(
        data_dir=folder,
        port=0,
        admin_email=EMAIL,
        admin_password=PASSWORD,
        rate_limit="100000/second",
    )
    platform = Platform(options)
    platform.start()
    try:
        yield Running(platform.address, platform)
    finally:
        platform.stop()


@contextmanager
def process_platform(
    folder: Path, postgres: PostgresServer, rabbitmq: RabbitServer, **extra: str
) -> Iterator[Running]:
    vhost = rabbitmq.create_vhost("crm")
    accounts = service_accounts(vhost)
    rabbitmq.import_definitions(topology.definitions(catalogue(), accounts))
    platform = ProcessPlatform(
        folder,
        {name: postgres.create_database(name) for name in MODULES},
        accounts,
        admin_email=EMAIL,
        admin_password=PASSWORD,
        extra={"RATE_LIMIT": "100000/second", **extra},
    )
    try:
        platform.start()
        yield Running(platform.address, platform)
    finally:
        platform.stop()


@pytest.fixture(scope="module", params=["embedded", "servers"])
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """An empty platform, once in each way to run."""
    folder = tmp_path_factory.mktemp("platform")
    if request.param == "embedded":
        with embedded_platform(folder) as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres")
    rabbitmq = request.getfixturevalue("rabbitmq")
    with process_platform(folder, postgres, rabbitmq) as running:
        yield running


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask until the answer is the wanted one; what follows from an event takes a moment."""

    def ask(question: Callable[[], Any], wanted: Any, seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        answer = question()
        while answer != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
            answer = question()
        assert answer == wanted
        return answer

    return ask
