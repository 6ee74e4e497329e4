"""Requests a second and their latency: the customer service by itself, and through the gateway."""

from __future__ import annotations

import base64
import os
import secrets
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import psycopg
import urllib3
from sqlalchemy import make_url

from bench.bare import NEW_ACCOUNT
from bench.customers import Customers
from bench.figures import Figure, Run, Target, Yardstick, median, percentile
from bench.load import Load, Outcome, generate
from crm_chassis.auth import Principal
from crm_chassis.database import Database, make_engine, new_id
from crm_gateway.routes import ROUTES
from crm_gateway.sign_in.keys import KeyRing, Sealing
from crm_gateway.sign_in.tokens import INTERNAL_SECONDS, InternalTokens
from crm_local.processes import Process, ProcessPlatform, free_port, wait_until
from crm_local.testing import Running, process_platform

_ACCOUNTS = 100_000
_READ_IN_TURN = 500
_CLIENTS = 8
_ROUNDS = 3

_HALF = Target("at least", 0.5, "ratio")
_KEPT = Target("at least", 0.6, "ratio")
_ADDED = Target("at most", 2.0)

_CREATED_IN_TURN = 5_000  # more than a place takes in one turn


@dataclass(frozen=True, slots=True)
class _Operation:
    """Requests, but for the place they are sent to.

    :ivar requests: gives those of one turn: paths, and what is sent there.
    """

    name: str
    method: str
    requests: Callable[[], Sequence[tuple[str, Any]]]
    status: int


@dataclass(frozen=True, slots=True)
class _Place:
    """Where requests are sent, and what came of one operation there, round by round.

    :ivar authorization: gives what is good for a minute.
    """

    address: str
    prefix: str
    authorization: Callable[[], str]
    busy: list[Outcome] = field(default_factory=list)
    alone: list[Outcome] = field(default_factory=list)

    def send(self, operation: _Operation, clients: int, seconds: float) -> Outcome:
        headers = {"Content-Type": "application/json", "Authorization": self.authorization()}
        requests = [(self.prefix + path, body) for path, body in operation.requests()]
        load = Load(self.address, operation.method, requests, headers, clients, seconds)
        return generate(load, operation.status)

    def measure(self, operation: _Operation, seconds: float) -> None:
        self.busy.append(self.send(operation, _CLIENTS, seconds))
        self.alone.append(self.send(operation, 1, seconds))

    @property
    def per_second(self) -> float:
        return median([outcome.per_second for outcome in self.busy])

    def milliseconds(self, percent: float) -> float:
        """Latency for one client."""
        return median([percentile(outcome.milliseconds, percent) for outcome in self.alone])


def run(run: Run) -> list[Figure]:
    """Each operation in turns at each place, with eight clients and with one."""
    sealing_key = secrets.token_bytes(32)
    with (
        process_platform(
            run.folder,
            run.servers.postgres,
            run.servers.rabbitmq,
            SEALING_KEY=base64.urlsafe_b64encode(sealing_key).decode(),
        ) as platform,
        _bare(run.folder, run.servers.postgres.create_database("bare")) as bare,
        _internal_tokens(platform.inside.databases["gateway"], sealing_key) as internal,
    ):
        _leave_only(platform.inside, ("gateway", "customer"))
        access = f"Bearer {platform.access_token()}"
        ids = _fill(platform)
        accounts = _accounts()
        figures = []
        for operation in (
            _Operation("create", "POST", lambda: _creating(accounts), 201),
            _Operation("get", "GET", lambda: [(f"/v1/accounts/{id_}", None) for id_ in ids], 200),
            _Operation("list", "GET", lambda: [("/v1/accounts?limit=25", None)], 200),
        ):
            direct = _Place(platform.inside.apis["customer"].url, "", internal)
            gateway = _Place(platform.address, "/api/customer", lambda: access)
            places = [direct, gateway, *([bare] if operation.method == "POST" else [])]
            _in_turns(operation, places, 1.0 if run.quick else 3.0)
            figures += _figures(operation, direct, gateway, places[2:])
    return figures


def _accounts() -> Iterator[dict[str, Any]]:
    """Companies without end, each another one; a few are as alike as they are in life."""
    for number, company in enumerate(Customers().companies(sys.maxsize)):
        site = f"company{number}.example"
        yield NEW_ACCOUNT | {
            "name": company.name,
            "phones": [company.phone],
            "emails": [f"office@{site}"],
            "addresses": [f"{number} Wenyi Road, Hangzhou"],
            "website": f"https://{site}",
            "accept_duplicate": "Another one of this name.",
        }


def _creating(accounts: Iterator[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [("/v1/accounts", account) for account in islice(accounts, _CREATED_IN_TURN)]


def _in_turns(operation: _Operation, places: Sequence[_Place], seconds: float) -> None:
    for place in places:
        place.send(operation, _CLIENTS, 0.5)
    for _ in range(_ROUNDS):
        for place in places:
            place.measure(operation, seconds)


def _figures(
    operation: _Operation, direct: _Place, gateway: _Place, bare: Sequence[_Place]
) -> list[Figure]:
    name = operation.name
    alone = bare[0] if bare else None
    return [
        Figure(
            f"{name}, {_CLIENTS} clients",
            direct.per_second,
            "requests/s",
            Yardstick("bare Flask", alone.per_second) if alone else None,
            _HALF if alone else None,
        ),
        Figure(
            f"{name} through the gateway, {_CLIENTS} clients",
            gateway.per_second,
            "requests/s",
            Yardstick("direct", direct.per_second),
            _KEPT,
        ),
        *(
            Figure(
                f"{name} through the gateway, 1 client, {label}",
                gateway.milliseconds(percent),
                "ms",
                Yardstick("direct", direct.milliseconds(percent)),
            )
            for label, percent in (("median", 50), ("99th percentile", 99))
        ),
        Figure(
            f"{name}: added by the gateway, median",
            gateway.milliseconds(50) - direct.milliseconds(50),
            "ms",
            target=_ADDED,
        ),
    ]


def _leave_only(platform: ProcessPlatform, names: Sequence[str]) -> None:
    """Stop every process but these APIs, so that nothing else takes the processors."""
    wanted = [platform.apis[name] for name in names]
    for process in platform.processes():
        if process not in wanted:
            process.stop()


def _fill(platform: Running) -> list[str]:
    """Make a customer base, all copies of one account but for key, name and time.

    :returns: ids of some of them.
    """
    platform.client().create("accounts", NEW_ACCOUNT)
    fresh = {
        "id": "gen_random_uuid()",
        "name": "'Account ' || n",
        "created_at": "created_at - n * interval '1 minute'",
    }
    url = make_url(platform.inside.databases["customer"]).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        columns = [
            name
            for (name,) in connection.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'accounts'"
            )
        ]
        values = ", ".join(fresh.get(name, name) for name in columns)
        connection.execute(
            f"INSERT INTO accounts ({', '.join(columns)}) "
            f"SELECT {values} FROM accounts, generate_series(1, {_ACCOUNTS - 1}) AS n"
        )
        connection.execute("VACUUM ANALYZE accounts")
        some = connection.execute("SELECT id FROM accounts ORDER BY name LIMIT %s", [_READ_IN_TURN])
        return [str(id_) for (id_,) in some]


@contextmanager
def _internal_tokens(database_url: str, sealing_key: bytes) -> Iterator[Callable[[], str]]:
    """Gives the header that the gateway would send to the customer service for an administrator."""
    database = Database(make_engine(database_url))
    tokens = InternalTokens(KeyRing(database, Sealing(sealing_key), INTERNAL_SECONDS))
    route = next(route for route in ROUTES if route.service == "customer")
    principal = Principal(id=new_id(), name="Bench", kind="user", team_id=None, grants={"*": "all"})
    try:
        yield lambda: f"Bearer {tokens.token(principal, route)}"
    finally:
        database.dispose()


@contextmanager
def _bare(folder: Path, database_url: str) -> Iterator[_Place]:
    """The yardstick under the settings of gunicorn that services have."""
    port = free_port()
    server = Process(
        name="bare",
        command=[
            str(Path(sys.executable).with_name("gunicorn")),
            "bench.bare:create_app()",
            f"--bind=127.0.0.1:{port}",
            "--worker-class=gthread",
            "--workers=1",
            "--threads=8",
            "--keep-alive=75",
            "--no-control-socket",
        ],
        environment={"PATH": os.environ["PATH"], "DATABASE_URL": database_url},
        port=port,
        log=folder / "bare.log",
    )
    server.start()
    try:
        wait_until(lambda: _answers(server.url), "the bare application")
        yield _Place(server.url, "", lambda: "")
    finally:
        server.stop()


def _answers(address: str) -> bool:
    try:
        urllib3.request("GET", address, timeout=2, retries=False)
    except urllib3.exceptions.HTTPError:
        return False
    return True
