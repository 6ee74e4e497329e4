"""A gateway under test: on loopback, with an administrator, in front of a service that tells all.

with serving(StubService()) as upstream, running_gateway(settings_for(folder, upstream)) as gateway:
    admin = gateway.sign_in()
    admin.get("/api/customer/v1/accounts")
"""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import urllib3
from flask import Flask
from sqlalchemy import select
from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from crm_chassis.events import Event, decode
from crm_chassis.outbox import event_log
from crm_chassis.service import Service
from crm_gateway.app import create_app
from crm_gateway.first_start import first_start
from crm_gateway.routes import ROUTES
from crm_gateway.settings import GatewaySettings
from crm_gateway.wiring import Gateway

ADMIN_EMAIL = "admin@example.com"
ADMIN_PASSWORD = "correct horse battery"  # noqa: S105 - of tests
SEALING_KEY = "A" * 43


class _Handler(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log(self, *_args: Any) -> None:
        """Quiet."""


@contextlib.contextmanager
def serving(app: Any, port: int = 0) -> Iterator[str]:
    """An application on loopback; gives its base address."""
    server: BaseWSGIServer = make_server(
        "127.0.0.1", port, app, threaded=True, request_handler=_Handler
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@dataclass
class Seen:
    """One request as the service saw it."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


StartResponse = Callable[..., Any]
Behaviour = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]


@dataclass
class StubService:
    """A service that keeps what it gets, and answers as it is told to."""

    seen: list[Seen] = field(default_factory=list)
    behaviour: Behaviour | None = None

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.seen.append(
            Seen(
                environ["REQUEST_METHOD"],
                environ["RAW_URI"].partition("?")[0],
                environ["QUERY_STRING"],
                {
                    key.removeprefix("HTTP_").replace("_", "-").title(): value
                    for key, value in environ.items()
                    if key.startswith("HTTP_") or key == "CONTENT_TYPE"
                },
                _read_body(environ),
            )
        )
        if self.behaviour is not None:
            return self.behaviour(environ, start_response)
        body = json.dumps({"answer": "ok"}).encode()
        start_response(
            "200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        )
        return [body]

    @property
    def last(self) -> Seen:
        return self.seen[-1]


def _read_body(environ: dict[str, Any]) -> bytes:
    source = environ["wsgi.input"]
    if environ.get("HTTP_TRANSFER_ENCODING"):
        return b"".join(iter(lambda: source.read(65536), b""))
    return bytes(source.read(int(environ.get("CONTENT_LENGTH") or 0)))


@dataclass
class Running:
    """A gateway that answers at ``address``."""

    app: Flask
    address: str
    http: urllib3.PoolManager = field(default_factory=lambda: urllib3.PoolManager(retries=False))

    @property
    def service(self) -> Service:
        return self.app.extensions["crm"]

    @property
    def gateway(self) -> Gateway:
        return self.app.extensions["crm_gateway"]

    def call(self, method: str, path: str, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        return self.http.request(method, self.address + path, redirect=False, **kwargs)

    def token(self, **form: str) -> urllib3.BaseHTTPResponse:
        return self.call("POST", "/api/auth/token", fields=form, encode_multipart=False)

    def sign_in(self, email: str = ADMIN_EMAIL, password: str = ADMIN_PASSWORD) -> Caller:
        answer = self.token(grant_type="password", username=email, password=password)
        if answer.status != 200:
            raise AssertionError(answer.data)
        return Caller(self, answer.json())

    def published(self, event_type: str) -> list[Event]:
        """The events of a type that were recorded, oldest first."""
        with self.service.database.reading() as session:
            bodies = session.scalars(
                select(event_log.c.body)
                .where(event_log.c.type == event_type)
                .order_by(event_log.c.event_id)
            )
            return [decode(body) for body in bodies]


@dataclass
class Caller:
    """Somebody who has signed in."""

    running: Running
    tokens: dict[str, Any]

    @property
    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens['access_token']}"}

    def call(
        self, method: str, path: str, headers: dict[str, str] | None = None, **kwargs: Any
    ) -> urllib3.BaseHTTPResponse:
        sent = {**self.authorization, **(headers or {})}
        return self.running.call(method, path, headers=sent, **kwargs)

    def get(self, path: str, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        return self.call("GET", path, **kwargs)

    def post(self, path: str, json: Any, **kwargs: Any) -> urllib3.BaseHTTPResponse:
        return self.call("POST", path, json=json, **kwargs)

    def patch(self, path: str, version: int, json: Any) -> urllib3.BaseHTTPResponse:
        return self.call("PATCH", path, json=json, headers={"If-Match": f'"{version}"'})

    def create(self, resource: str, **values: Any) -> dict[str, Any]:
        answer = self.post(f"/api/identity/v1/{resource}", values)
        assert answer.status == 201, answer.data
        return answer.json()


def settings_for(folder: Path, upstream: str, **changes: Any) -> GatewaySettings:
    values = {
        "service": "gateway",
        "database_url": f"sqlite:///{folder / 'gateway.db'}",
        "broker_url": "memory://",
        "sealing_key": SEALING_KEY,
        "admin_email": ADMIN_EMAIL,
        "admin_password": ADMIN_PASSWORD,
        "rate_limit": "1000000/minute",
        **{route.setting: upstream for route in ROUTES if route.setting},
    }
    return GatewaySettings(**{**values, **changes})


@contextlib.contextmanager
def running_gateway(settings: GatewaySettings, **parts: Any) -> Iterator[Running]:
    """A migrated gateway with its first administrator."""
    app = create_app(settings, **parts)
    service: Service = app.extensions["crm"]
    service.migrations.upgrade()
    first_start(service.database, settings)
    with serving(app) as address:
        yield Running(app, address)
    service.close()


def eventually(check: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until ``check`` is true."""
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.05)
