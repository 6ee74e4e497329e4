"""A whole platform for tests, in either way to run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import urllib3

from crm_chassis.broker import topology
from crm_chassis.telemetry import Telemetry
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

    def access_token(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """A fresh access token, for requests that the client would not send."""
        form = PasswordGrant(email, password).form()
        url = f"{self.address}/api/auth/token"
        answer = urllib3.PoolManager().request("POST", url, fields=form, encode_multipart=False)
        return str(answer.json()["access_token"])


@contextmanager
def embedded_platform(
    folder: Path, telemetry: Callable[[str], Telemetry] | None = None
) -> Iterator[Running]:
    options = Options(
        data_dir=folder,
        port=0,
        admin_email=EMAIL,
        admin_password=PASSWORD,
        rate_limit="100000/second",
        telemetry=telemetry,
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
