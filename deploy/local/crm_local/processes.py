"""The platform as production runs it, on this machine: processes, PostgreSQL, RabbitMQ.

For each service an ``api`` and any number of ``worker`` processes, started by the commands that
containers run. Tests and benchmarks use it.
"""

from __future__ import annotations

import base64
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from crm_chassis.broker import topology
from crm_contracts import catalogue

MODULES = {
    "gateway": "crm_gateway.app",
    "customer": "crm_customer.app",
    "sales": "crm_sales.app",
    "marketing": "crm_marketing.app",
    "service-desk": "crm_service_desk.app",
    "reporting": "crm_reporting.app",
}
_FLASK = Path(sys.executable).with_name("flask")
_PATIENCE_SECONDS = 60.0
_GRACE_SECONDS = 30.0


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def service_accounts(vhost_url: str) -> dict[str, str]:
    """An AMQP address for each service, with a user name and password of its own.

    :param vhost_url: the administrator's address of the virtual host.
    """
    url = urlsplit(vhost_url)
    vhost = url.path.removeprefix("/")
    return {
        name: f"amqp://{name}-{vhost}:{secrets.token_hex(16)}@{url.hostname}:{url.port}/{vhost}"
        for name in topology.services(catalogue())
    }


@dataclass
class Process:
    """One command of one service, with the port at which it tells of its health."""

    name: str
    command: list[str]
    environment: dict[str, str]
    port: int
    log: Path
    _running: subprocess.Popen[bytes] | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """:raises RuntimeError: it does not run."""
        if self._running is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._running.pid

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(  # noqa: S603 - our own commands
                self.command,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def readiness(self) -> Mapping[str, object]:
        """What ``/readyz`` answers; ``{"ready": False}`` when it does not."""
        try:
            answer = urllib3.request("GET", f"{self.url}/readyz", timeout=5, retries=False)
            return dict(answer.json())
        except (urllib3.exceptions.HTTPError, ValueError):
            return {"ready": False}

    def wait_ready(self) -> None:
        """:raises TimeoutError: with the end of its log, when it does not get ready."""
        wait_until(lambda: bool(self.readiness()["ready"]), f"{self.name} to be ready", self._tail)

    def _tail(self) -> str:
        return self.log.read_text(errors="replace")[-2000:]

    def kill(self) -> None:
        """End it and all its children at once, as a crash of its machine would."""
        self._signal(signal.SIGKILL)
        self.wait()

    def ask_to_stop(self) -> None:
        """Have it finish what is under way and end; :meth:`wait` for that."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        self.ask_to_stop()
        self.wait()

    def wait(self) -> None:
        """Return when it has ended; it is killed when it takes longer than a grace period."""
        if self._running is None:
            return
        try:
            self._running.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self._signal(signal.SIGKILL)
            self._running.wait()
        self._running = None

    def _signal(self, number: signal.Signals) -> None:
        if self._running is not None and self._running.poll() is None:
            os.killpg(self._running.pid, number)


def wait_until(
    holds: Callable[[], bool], what: str, explain: Callable[[], str] = lambda: ""
) -> None:
    """Wait for a condition.

    :raises TimeoutError: saying what was waited for, and the explanation.
    """
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {_PATIENCE_SECONDS:g} s for {what}\n{explain()}")
        time.sleep(0.05)


class ProcessPlatform:
    """Every service with its processes.

    :param databases: a SQLAlchemy URL for each service and the gateway.
    :param accounts: an AMQP URL for each of them.
    :param folder: where logs are written.
    """

    def __init__(
        self,
        folder: Path,
        databases: Mapping[str, str],
        accounts: Mapping[str, str],
        *,
        admin_email: str,
        admin_password: str,
        extra: Mapping[str, str] | None = None,
    ) -> None:
        self._folder = folder
        self.databases = databases
        self._accounts = accounts
        self._admin = {"ADMIN_EMAIL": admin_email, "ADMIN_PASSWORD": admin_password}
        self._extra = dict(extra or {})
        self._ports = {name: free_port() for name in MODULES}
        self._sealing_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.apis = {name: self._process(name, "api", self._ports[name]) for name in MODULES}
        self.workers = {name: [self._worker(name)] for name in MODULES}

    @property
    def address(self) -> str:
        return self.apis["gateway"].url

    def _environment(self, name: str, command: str, port: int) -> dict[str, str]:
        bind = "PROBE_BIND" if command == "worker" else "BIND"
        urls = {
            f"{other.replace('-', '_').upper()}_URL": f"http://127.0.0.1:{self._ports[other]}"
            for other in MODULES
            if other != "gateway"
        }
        return {
            "PATH": os.environ["PATH"],
            "DATABASE_URL": self.databases[name],
            "BROKER_URL": self._accounts[name],
            "TOKEN_KEYS": f"http://127.0.0.1:{self._ports['gateway']}/api/auth/keys",
            "ATTACHMENTS_DIR": str(self._folder / "attachments"),
            "LOG_LEVEL": "WARNING",
            "SEALING_KEY": self._sealing_key,
            bind: f"127.0.0.1:{port}",
            **urls,
            **self._admin,
            **self._extra,
        }

    def _process(self, name: str, command: str, port: int) -> Process:
        return Process(
            name=f"{name} {command}",
            command=[str(_FLASK), "--app", MODULES[name], command],
            environment=self._environment(name, command, port),
            port=port,
            log=self._folder / f"{name}-{command}.log",
        )

    def _worker(self, name: str) -> Process:
        return self._process(name, "worker", free_port())

    def add_worker(self, name: str) -> Process:
        """Start one more worker of a service."""
        worker = self._worker(name)
        self.workers[name].append(worker)
        worker.start()
        return worker

    def set_clock_ahead(self, name: str, ahead: timedelta) -> None:
        """Start the workers of a service anew, with their schedulers ahead of the time."""
        for worker in self.workers[name]:
            worker.stop()
            worker.environment["CLOCK_AHEAD_SECONDS"] = str(round(ahead.total_seconds()))
            worker.start()
            worker.wait_ready()

    def run(self, name: str, *command: str) -> str:
        """Run a command of a service to its end.

        :returns: what it printed.
        :raises RuntimeError: with what it complained of, when it failed.
        """
        done = subprocess.run(  # noqa: S603 - our own commands
            [str(_FLASK), "--app", MODULES[name], *command],
            env=self._environment(name, command[0], 0),
            check=False,
            capture_output=True,
            text=True,
            timeout=600,
        )
        if done.returncode:
            raise RuntimeError(f"{name} {' '.join(command)}: {done.stderr[-2000:]}")
        return done.stdout

    def processes(self) -> Iterator[Process]:
        yield from self.apis.values()
        for workers in self.workers.values():
            yield from workers

    def start(self) -> None:
        """Migrate, make the administrator, start everything and wait until it is ready."""
        for name in MODULES:
            self.run(name, "migrate")
        self.run("gateway", "init")
        for process in self.processes():
            process.start()
        for process in self.processes():
            process.wait_ready()

    def stop(self) -> None:
        for process in self.processes():
            process.ask_to_stop()
        for process in self.processes():
            process.wait()
