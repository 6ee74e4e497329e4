"""A whole platform for tests, in either way to run."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import urllib3
from flask import Flask

from crm_chassis.broker import topology
from crm_chassis.settings import Settings
from crm_chassis.telemetry import Telemetry
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_client.client import Client
from crm_client.tokens import ClientGrant, Grant, PasswordGrant
from crm_gateway.testing_harness import settings_for
from crm_local.compose import ComposePlatform
from crm_local.platform import Options, Platform
from crm_local.processes import (
    MODULES,
    Build,
    ProcessPlatform,
    catalogue_of,
    service_accounts,
)

EMAIL, PASSWORD = "admin@example.com", "correct horse battery staple"


class Person:
    """A user or a program that sends requests as they are, and sees the answers as they come.

    :ivar id: its key at the gateway; empty for the administrator.
    """

    def __init__(self, address: str, token: str, id_: str = "") -> None:
        self.id = id_
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(maxsize=50, retries=False, timeout=30)

    def send(
        self, method: str, path: str, json: object = None, version: int | None = None, **more: Any
    ) -> urllib3.BaseHTTPResponse:
        """:param path: behind ``/api/``. :param version: what ``If-Match`` says."""
        headers = dict(self._headers) | more.pop("headers", {})
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        body = {"json": json} if json is not None else {}
        return self._pool.request(
            method, f"{self._address}/api/{path}", headers=headers, **body, **more
        )

    def ok(
        self, method: str, path: str, json: object = None, version: int | None = None, **more: Any
    ) -> Any:
        """The body of an answer that has to be a good one."""
        answer = self.send(method, path, json, version, **more)
        assert answer.status < 300, (method, path, answer.status, answer.data)
        return answer.json()

    def get(self, path: str) -> Any:
        return self.ok("GET", path)

    def post(self, path: str, json: object = None, version: int | None = None) -> Any:
        return self.ok("POST", path, json, version)


@dataclass
class Running:
    """A platform that answers.

    :ivar inside: the embedded platform, the processes or the containers, for tests that reach
        into it.
    """

    address: str
    inside: Platform | ProcessPlatform | ComposePlatform

    @property
    def embedded(self) -> bool:
        return isinstance(self.inside, Platform)

    @contextmanager
    def clock_ahead(self, service: str, ahead: timedelta) -> Iterator[None]:
        """Within it, the timers of a service fire as if it were so much later."""
        self.inside.set_clock_ahead(service, ahead)
        try:
            yield
        finally:
            self.inside.set_clock_ahead(service, timedelta(0))

    def client(self, email: str = EMAIL, password: str = PASSWORD) -> Client:
        """A signed-in client."""
        client = Client(self.address)
        client.sign_in(PasswordGrant(email, password))
        return client

    def access_token(self, email: str = EMAIL, password: str = PASSWORD) -> str:
        """A fresh access token, for requests that the client would not send."""
        return self._token(PasswordGrant(email, password))

    def _token(self, grant: Grant) -> str:
        url = f"{self.address}/api/auth/token"
        fields = grant.form()
        answer = urllib3.PoolManager().request("POST", url, fields=fields, encode_multipart=False)
        return str(answer.json()["access_token"])

    def administrator(self) -> Person:
        return Person(self.address, self.access_token())

    def found_team(self, name: str) -> str:
        """Make a team below the company.

        :returns: its key.
        """
        admin = self.administrator()
        root = admin.get("identity/v1/me")["team"]["id"]
        return str(admin.post("identity/v1/teams", {"name": name, "parent_id": root})["id"])

    def hire(self, role: str, team: str | None, name: str = "韩梅梅") -> Person:
        """A new user with a role, signed in."""
        admin = self.administrator()
        email = f"{uuid.uuid4().hex}@example.com"
        body = {"name": name, "email": email, "team_id": team, "roles": [role]}
        user = admin.post("identity/v1/users", body)
        password = {"password": PASSWORD}
        answer = admin.send("PUT", f"identity/v1/users/{user['id']}/password", password)
        assert answer.status == 204, answer.data
        return Person(self.address, self.access_token(email, PASSWORD), user["id"])

    def register(self, name: str, grants: Mapping[str, str]) -> Person:
        """A new API client, signed in.

        :param grants: all that it may do, permission to scope.
        """
        admin = self.administrator()
        client = admin.post("identity/v1/clients", {"name": name, "own_grants": dict(grants)})
        secret = admin.post(f"identity/v1/clients/{client['id']}/secret")["client_secret"]
        grant = ClientGrant(client["id"], secret)
        return Person(self.address, self._token(grant), client["id"])


def application(name: str, database_url: str, folder: Path) -> Flask:
    """A service by itself, made and not started.

    :param folder: for what it keeps beside its database.
    """
    if name == "gateway":
        settings = settings_for(folder, "http://127.0.0.1:1", database_url=database_url)
    else:
        settings = Settings(
            service=name,
            database_url=database_url,
            broker_url="memory://",
            token_keys=str(folder / "keys.json"),
            attachments_dir=str(folder),
        )
    app: Flask = import_module(MODULES[name]).create_app(settings)
    return app


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
    folder: Path,
    postgres: PostgresServer,
    rabbitmq: RabbitServer,
    services: Collection[str] = tuple(MODULES),
    fronts: Mapping[str, int] | None = None,
    **extra: str,
) -> Iterator[Running]:
    vhost = rabbitmq.create_vhost("crm")
    accounts = service_accounts(vhost)
    builds = {name: Build.from_environment(name) for name in MODULES}
    rabbitmq.import_definitions(topology.definitions(catalogue_of(builds), accounts))
    platform = ProcessPlatform(
        folder,
        {name: postgres.create_database(name) for name in services},
        accounts,
        admin_email=EMAIL,
        admin_password=PASSWORD,
        extra={"RATE_LIMIT": "100000/second", **extra},
        builds=builds,
        fronts=fronts,
    )
    try:
        platform.start()
        yield Running(platform.address, platform)
    finally:
        platform.stop()


@contextmanager
def compose_platform(folder: Path, **variables: str) -> Iterator[Running]:
    """:param variables: what docker-compose.yml takes from the environment."""
    platform = ComposePlatform(
        folder,
        ADMIN_EMAIL=EMAIL,
        ADMIN_PASSWORD=PASSWORD,
        RATE_LIMIT="100000/second",
        **variables,
    )
    try:
        platform.start()
        yield Running(platform.address, platform)
    finally:
        platform.stop()
