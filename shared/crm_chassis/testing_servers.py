"""PostgreSQL and RabbitMQ for tests and benchmarks, found or started wherever these run.

Each is taken from the first of these that works:

1. the address in ``TEST_POSTGRES_URL`` or ``TEST_RABBITMQ_URL``, with an administrator's account;
   RabbitMQ's management API is at ``TEST_RABBITMQ_MANAGEMENT_URL``, or else at port 15672 there;
2. a container, where a Docker Engine answers;
3. the programs installed on this machine, run in a temporary directory on free ports.
"""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from glob import glob
from time import monotonic, sleep
from typing import Any, TypeVar
from urllib.parse import quote, unquote, urlsplit

import psycopg
import urllib3
from docker.errors import DockerException
from psycopg import sql
from sqlalchemy import make_url

from crm_chassis.testing_runtimes import (
    ContainerRuntime,
    ProcessRuntime,
    Runtime,
    free_port,
    search_path,
)

POSTGRES_IMAGE = "postgres:16"
RABBITMQ_IMAGE = "rabbitmq:3.13-management"

_START_SECONDS = 90.0
_POSTGRES_OPTIONS = "-c max_connections=200"  # two platforms at once have more than 100


class Unavailable(Exception):
    """No server could be had; the message names each way that was tried and why it failed."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A database or broker, with the power switch if it was started here."""

    admin_url: str
    """Its address, with an administrator's account."""
    runtime: Runtime | None = None
    """What it runs in; None for one that was found running."""

    @property
    def is_ours(self) -> bool:
        """True when it was started here, so that a test may stop it."""
        return self.runtime is not None

    def start(self) -> None:
        """Start it, with the port and the data it had; returns when it answers.

        :raises RuntimeError: when it is not ours, or ends while starting.
        :raises TimeoutError: when it does not answer in good time.
        """
        runtime = self._own()
        runtime.start()
        deadline = monotonic() + _START_SECONDS
        while not self.answers():
            runtime.check()
            if monotonic() > deadline:
                raise TimeoutError(f"no answer within {_START_SECONDS:g} s")
            sleep(0.05)

    def stop(self) -> None:
        """Shut it down in good order.

        :raises RuntimeError: when it is not ours.
        """
        self._own().stop()

    def kill(self) -> None:
        """End it at once, as ``kill -9`` does.

        :raises RuntimeError: when it is not ours.
        """
        self._own().kill()

    def remove(self) -> None:
        """End it and delete its data.

        :raises RuntimeError: when it is not ours.
        """
        self._own().remove()

    def answers(self) -> bool:
        """Whether clients can use it now."""
        raise NotImplementedError

    def clean(self) -> None:
        """Remove what was created in it."""
        raise NotImplementedError

    def _own(self) -> Runtime:
        if self.runtime is None:
            raise RuntimeError("this server was found running: it is not ours to start or stop")
        return self.runtime


@dataclass(frozen=True, kw_only=True)
class PostgresServer(Server):
    """A PostgreSQL server."""

    _databases: list[str] = field(default_factory=list)

    def create_database(self, name: str) -> str:
        """Create a database owned by a role of its own, which alone may connect, as in production.

        :param name: what its name begins with; a random ending keeps it apart from others.
        :returns: its SQLAlchemy URL, with that role's password.
        """
        name = f"{name.replace('-', '_')}_{secrets.token_hex(4)}"
        password = secrets.token_hex(16)
        role = database = sql.Identifier(name)
        with self._connect() as connection:
            for statement in (
                sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, password),
                sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role),
                sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(database),
            ):
                connection.execute(statement)
        self._databases.append(name)
        url = make_url(self.admin_url).set(
            drivername="postgresql+psycopg", username=name, password=password, database=name
        )
        return url.render_as_string(hide_password=False)

    def answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def clean(self) -> None:
        """Drop the databases that were created, closing the connections to them."""
        with self._connect() as connection:
            while self._databases:
                name = sql.Identifier(self._databases.pop())
                connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(name))
                connection.execute(sql.SQL("DROP ROLE {}").format(name))

    def _connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        url = make_url(self.admin_url).set(drivername="postgresql")
        return psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True, connect_timeout=5
        )


@dataclass(frozen=True, kw_only=True)
class RabbitServer(Server):
    """A RabbitMQ server with its management API."""

    management_url: str
    """``http://user:password@host:port``, with an administrator's account."""
    _vhosts: list[str] = field(default_factory=list)
    _users: set[str] = field(default_factory=set)

    def create_vhost(self, name: str) -> str:
        """Create a virtual host in which the administrator may do everything.

        :param name: what its name begins with; a random ending keeps it apart from others.
        :returns: its address, with the administrator's account.
        """
        vhost = f"{name}-{secrets.token_hex(4)}"
        admin = unquote(urlsplit(self.admin_url).username or "")
        self._manage("PUT", f"vhosts/{_segment(vhost)}", {})
        self._vhosts.append(vhost)
        self._manage(
            "PUT",
            f"permissions/{_segment(vhost)}/{_segment(admin)}",
            {"configure": ".*", "write": ".*", "read": ".*"},
        )
        return urlsplit(self.admin_url)._replace(path=f"/{_segment(vhost)}").geturl()

    def import_definitions(self, definitions: Mapping[str, Any]) -> None:
        """Create virtual hosts, users, permissions, exchanges, queues and bindings.

        :param definitions: as ``rabbitmqctl import_definitions`` takes them.
        """
        self._manage("POST", "definitions", definitions)
        self._users.update(user["name"] for user in definitions.get("users", ()))

    def answers(self) -> bool:
        try:
            self._manage("GET", "health/checks/protocol-listener/amqp")
        except (urllib3.exceptions.HTTPError, RuntimeError):
            return False
        return True

    def clean(self) -> None:
        """Delete the virtual hosts that were created, and the users that were imported."""
        while self._vhosts:
            self._manage("DELETE", f"vhosts/{_segment(self._vhosts.pop())}")
        while self._users:
            self._manage("DELETE", f"users/{_segment(self._users.pop())}")

    def _manage(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        url = urlsplit(self.management_url)
        account = f"{unquote(url.username or '')}:{unquote(url.password or '')}"
        address = url._replace(netloc=url.netloc.rpartition("@")[2], path=f"/api/{path}").geturl()
        response = urllib3.request(
            method,
            address,
            json=body,
            headers=urllib3.make_headers(basic_auth=account),
            timeout=30,
            retries=False,
        )
        if response.status >= 300:
            raise RuntimeError(f"{method} {address}: {response.status} {response.data.decode()}")


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for as long as the context lasts.

    :raises Unavailable: when none is found and none can be started.
    """
    if url := os.environ.get("TEST_POSTGRES_URL"):
        server = PostgresServer(admin_url=url)
        try:
            yield server
        finally:
            server.clean()
        return
    ways = {"container": _postgres_container, "installed programs": _postgres_process}
    with _started("PostgreSQL: TEST_POSTGRES_URL is not set", ways) as server:
        yield server


@contextmanager
def rabbitmq_server() -> Iterator[RabbitServer]:
    """A RabbitMQ server, for as long as the context lasts.

    :raises Unavailable: when none is found and none can be started.
    """
    if url := os.environ.get("TEST_RABBITMQ_URL"):
        parts = urlsplit(url)
        beside = f"http://{parts.netloc.rpartition('@')[0]}@{parts.hostname}:15672"
        management_url = os.environ.get("TEST_RABBITMQ_MANAGEMENT_URL", beside)
        server = RabbitServer(admin_url=url, management_url=management_url)
        try:
            yield server
        finally:
            server.clean()
        return
    ways = {"container": _rabbitmq_container, "installed programs": _rabbitmq_process}
    with _started("RabbitMQ: TEST_RABBITMQ_URL is not set", ways) as server:
        yield server


_S = TypeVar("_S", bound=Server)


@contextmanager
def _started(failures: str, ways: Mapping[str, Callable[[], _S]]) -> Iterator[_S]:
    with ExitStack() as stack:
        for name, make in ways.items():
            try:
                server = make()
                stack.callback(server.remove)
                server.start()
            except (DockerException, LookupError, OSError, RuntimeError) as error:
                failures += f"; {name}: {error}"
            else:
                yield server
                return
        raise Unavailable(failures)


def _postgres_container() -> PostgresServer:
    password, port = secrets.token_hex(16), free_port()
    runtime = ContainerRuntime(
        POSTGRES_IMAGE,
        {"POSTGRES_PASSWORD": password},
        {5432: port},
        command=f"postgres {_POSTGRES_OPTIONS}",
    )
    return PostgresServer(admin_url=_postgres_url(runtime, password, port), runtime=runtime)


def _postgres_process() -> PostgresServer:
    folders = sorted(glob("/usr/lib/postgresql/*/bin"), reverse=True)
    path = search_path(["initdb", "postgres"], folders)
    password, port = secrets.token_hex(16), free_port()
    runtime = ProcessRuntime(
        "postgres",
        """
        [ -e data ] || initdb --pgdata data --username postgres --pwfile password \
            --auth scram-sha-256 --encoding UTF8 --no-locale --no-sync
        exec postgres -D data -p "$PORT" $OPTIONS \
            -c listen_addresses=127.0.0.1 -c unix_socket_directories=
        """,
        environment={"PATH": path, "PORT": str(port), "OPTIONS": _POSTGRES_OPTIONS},
        files={"password": password},
        stop_signal=signal.SIGINT,  # "fast": does not wait for clients to leave
    )
    return PostgresServer(admin_url=_postgres_url(runtime, password, port), runtime=runtime)


def _postgres_url(runtime: Runtime, password: str, port: int) -> str:
    return f"postgresql+psycopg://postgres:{password}@{runtime.host}:{port}/postgres"


def _rabbitmq_container() -> RabbitServer:
    password, port, management_port = secrets.token_hex(16), free_port(), free_port()
    runtime = ContainerRuntime(
        RABBITMQ_IMAGE,
        {"RABBITMQ_DEFAULT_USER": "admin", "RABBITMQ_DEFAULT_PASS": password},
        {5672: port, 15672: management_port},
    )
    return _rabbitmq(runtime, password, port, management_port)


def _rabbitmq_process() -> RabbitServer:
    path = search_path(["epmd", "rabbitmq-server"], ["/usr/lib/rabbitmq/bin"])
    password, port, management_port = secrets.token_hex(16), free_port(), free_port()
    runtime = ProcessRuntime(
        "rabbitmq",
        """
        export RABBITMQ_MNESIA_BASE="$PWD/data" RABBITMQ_LOG_BASE="$PWD/log"
        export RABBITMQ_CONFIG_FILE="$PWD/rabbitmq.conf" RABBITMQ_PID_FILE="$PWD/pid"
        export RABBITMQ_ENABLED_PLUGINS_FILE="$PWD/enabled_plugins"
        epmd -port "$ERL_EPMD_PORT" &
        exec rabbitmq-server
        """,
        environment={
            "PATH": path,
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(free_port()),
            "RABBITMQ_NODENAME": "crm@localhost",
            "RABBITMQ_NODE_PORT": str(port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
        },
        files={
            "enabled_plugins": "[rabbitmq_management].",
            "rabbitmq.conf": f"""
                listeners.tcp.1 = 127.0.0.1:{port}
                management.tcp.ip = 127.0.0.1
                management.tcp.port = {management_port}
                management_agent.disable_metrics_collector = true
                default_user = admin
                default_pass = {password}
                disk_free_limit.absolute = 50MB
                """,
        },
        stop_signal=signal.SIGTERM,
    )
    return _rabbitmq(runtime, password, port, management_port)


def _rabbitmq(runtime: Runtime, password: str, port: int, management_port: int) -> RabbitServer:
    account = f"admin:{password}@{runtime.host}"
    return RabbitServer(
        admin_url=f"amqp://{account}:{port}/%2F",
        management_url=f"http://{account}:{management_port}",
        runtime=runtime,
    )


def _segment(name: str) -> str:
    """A name as one segment of a URL's path."""
    return quote(name, safe="")
