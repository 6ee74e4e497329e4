"""A process that is told to end finishes what it has under way: nothing is cut off, nothing redone.

The signal goes to the process alone, as a container's runtime sends it, not to its children.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlencode

import psycopg
import pytest
import urllib3
from kombu import Connection
from sqlalchemy.engine import make_url

from crm_chassis.broker import Message, topology
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.database import new_id
from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_contracts import catalogue
from crm_local.processes import MODULES, free_port, service_accounts, wait_until
from crm_local.testing import EMAIL, PASSWORD

TEAM_CREATED = "crm.gateway.team.created.v1"
EVENTS = 500
END_SECONDS = 60
SIGN_IN = urlencode({"grant_type": "password", "username": EMAIL, "password": PASSWORD})

Start = Callable[..., subprocess.Popen[bytes]]


def flask(name: str, command: str) -> list[str]:
    return [sys.executable, "-m", "flask", "--app", MODULES[name], command]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts a command of a service; what still runs when the test ends is killed."""
    started: list[subprocess.Popen[bytes]] = []

    def run(name: str, command: str, environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
        with (tmp_path / f"{name}-{command}.log").open("wb") as log:
            process = subprocess.Popen(
                flask(name, command),
                env={"PATH": os.environ["PATH"], **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


@pytest.fixture
def gateway(tmp_path: Path, start: Start) -> dict[str, str]:
    """The environment of a gateway with an administrator; it needs no servers."""
    services = ("CUSTOMER", "SALES", "MARKETING", "SERVICE_DESK", "REPORTING")
    port = free_port()
    environment = {
        "DATABASE_URL": f"sqlite:///{tmp_path / 'gateway.db'}",
        "BROKER_URL": "memory://termination",
        "SEALING_KEY": "A" * 43,
        "ADMIN_EMAIL": EMAIL,
        "ADMIN_PASSWORD": PASSWORD,
        "BIND": f"127.0.0.1:{port}",
        **{f"{service}_URL": "http://127.0.0.1:9" for service in services},
    }
    for command in ("migrate", "init"):
        assert start("gateway", command, environment).wait(END_SECONDS) == 0
    return environment


def port_of(environment: Mapping[str, str], bind: str = "BIND") -> int:
    return int(environment[bind].rpartition(":")[2])


def asked(port: int, path: str) -> tuple[int, str]:
    """Status and body of an answer; 0 when nothing listens."""
    try:
        url = f"http://127.0.0.1:{port}{path}"
        answer = urllib3.request("GET", url, retries=False, timeout=10)
    except urllib3.exceptions.HTTPError as error:
        return 0, str(error)
    return answer.status, answer.data.decode()


@contextmanager
def half_sent_sign_in(port: int) -> Iterator[tuple[socket.socket, bytes]]:
    """A request under way, and what is still missing of it."""
    body = SIGN_IN.encode()
    head = (
        f"POST /api/auth/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
        "Content-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", port), timeout=END_SECONDS) as connection:
        connection.sendall(head.encode() + body[:10])
        yield connection, body[10:]


def whole_answer(connection: socket.socket) -> tuple[str, dict[str, object]]:
    answer = b""
    while block := connection.recv(65536):
        answer += block
    head, _, body = answer.partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0].decode(), json.loads(body or b"{}")


def test_a_request_under_way_is_answered(gateway: dict[str, str], start: Start) -> None:
    port, api = port_of(gateway), start("gateway", "api", gateway)
    wait_until(lambda: asked(port, "/readyz")[0] == 200, "the api to be ready")

    with half_sent_sign_in(port) as (connection, rest):
        assert asked(port, "/healthz")[0] == 200  # which came after it: the first one is taken
        api.terminate()
        wait_until(lambda: asked(port, "/healthz")[0] == 0, "the api to take no more")
        connection.sendall(rest)
        status, body = whole_answer(connection)

    assert status == "HTTP/1.1 200 OK"
    assert body["access_token"]
    assert api.wait(END_SECONDS) == 0


def test_with_a_drain_it_first_says_that_it_leaves(gateway: dict[str, str], start: Start) -> None:
    port, api = port_of(gateway), start("gateway", "api", {**gateway, "DRAIN_SECONDS": "5"})
    wait_until(lambda: asked(port, "/readyz")[0] == 200, "the api to be ready")

    api.terminate()

    wait_until(lambda: asked(port, "/readyz")[0] == 503, "the api to be ready no more")
    assert asked(port, "/healthz")[0] == 200
    assert json.loads(asked(port, "/readyz")[1])["checks"] == {
        "database": True,
        "migrations": True,
        "accepting": False,
    }
    assert api.wait(END_SECONDS) == 0


@pytest.fixture
def marketing(postgres: PostgresServer, rabbitmq: RabbitServer, start: Start) -> dict[str, str]:
    """The environment of a service with EVENTS events in its queue."""
    admin = rabbitmq.create_vhost("termination")
    accounts = service_accounts(admin)
    rabbitmq.import_definitions(topology.definitions(catalogue(), accounts))
    environment = {
        "DATABASE_URL": postgres.create_database("marketing"),
        "BROKER_URL": accounts["marketing"],
        "TOKEN_KEYS": "/nowhere",
        "PROBE_BIND": f"127.0.0.1:{free_port()}",
        "ADMIN_BROKER_URL": admin,
    }
    assert start("marketing", "migrate", environment).wait(END_SECONDS) == 0
    with closing(RabbitMQ("gateway", accounts["gateway"]).publisher()) as publisher:
        messages = [team_created() for _ in range(EVENTS)]
        assert len(publisher.publish(messages)) == EVENTS
    return environment


def team_created() -> Message:
    event = dict(catalogue().contract(TEAM_CREATED).example)
    team = new_id()
    event |= {"id": new_id(), "subject": team, "data": {**event["data"], "id": team}}
    return Message(event["id"], TEAM_CREATED, json.dumps(event).encode())


def in_queue(admin_url: str, service: str) -> int:
    """How many messages wait in a service's queue."""
    with Connection(admin_url) as connection:
        queue = connection.default_channel.queue_declare(topology.queue_name(service), passive=True)
        return int(queue.message_count)


def test_a_batch_under_way_is_committed_and_acknowledged(
    marketing: dict[str, str], start: Start
) -> None:
    port = port_of(marketing, "PROBE_BIND")
    url = make_url(marketing["DATABASE_URL"]).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False)) as connection:
        connection.execute("LOCK TABLE inbox IN SHARE MODE")
        worker = start("marketing", "worker", marketing)
        waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'inbox'::regclass AND NOT granted"
        wait_until(lambda: bool(connection.execute(waiting).fetchone()[0]), "a batch to be at work")

        worker.terminate()
        wait_until(
            lambda: '"worker":false' in asked(port, "/readyz")[1], "the worker to know that it ends"
        )
        connection.rollback()  # the batch goes on
        assert worker.wait(END_SECONDS) == 0

        (applied,) = connection.execute("SELECT count(*) FROM inbox").fetchone()
    assert applied > 0
    assert applied + in_queue(marketing["ADMIN_BROKER_URL"], "marketing") == EVENTS
