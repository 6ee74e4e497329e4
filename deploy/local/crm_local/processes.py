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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import urllib3

from crm_chassis.broker import topology
from crm_contracts import Catalogue, catalogue

MODULES = {
    "gateway": "crm_gateway.app",
    "customer": "crm_customer.app",
    "sales": "crm_sales.app",
    "marketing": "crm_marketing.app",
    "service-desk": "crm_service_desk.app",
    "reporting": "crm_reporting.app",
}
SOURCES = {name: name if name == "gateway" else f"services/{name}" for name in MODULES}
"""Where in the repository each is."""
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


@dataclass(frozen=True)
class Build:
    """One version of a service, as it lies on this machine.

    :ivar checkout: the root of a working tree whose service and ``shared`` are run; None for those
        that the interpreter has installed.
    :ivar python: an interpreter that has what the service depends on.
    """

    checkout: Path | None = None
    python: str = sys.executable

    @classmethod
    def from_environment(cls, name: str) -> Build:
        """What ``CRM_<SERVICE>_CHECKOUT`` and ``CRM_<SERVICE>_PYTHON`` ask for."""
        prefix = f"CRM_{name.replace('-', '_').upper()}"
        checkout = os.environ.get(f"{prefix}_CHECKOUT")
        python = os.environ.get(f"{prefix}_PYTHON", sys.executable)
        return cls(Path(checkout) if checkout else None, python)

    def command(self, name: str, *arguments: str) -> list[str]:
        return [self.python, "-m", "flask", "--app", MODULES[name], *arguments]

    def environment(self, name: str) -> dict[str, str]:
        """What makes the interpreter take the checkout's packages before those it has."""
        if self.checkout is None:
            return {}
        folders = (self.checkout / "shared", self.checkout / SOURCES[name])
        return {"PYTHONPATH": os.pathsep.join(map(str, folders))}

    def catalogue(self) -> Catalogue:
        """The contracts that it was built with."""
        if self.checkout is None:
            return catalogue()
        return Catalogue.load(self.checkout / "shared" / "crm_contracts")


def catalogue_of(builds: Mapping[str, Build]) -> Catalogue:
    """What flows between services of different versions, for the broker's topology.

    An event is there if its producer publishes it, and goes to those who by their own contracts
    consume it: a queue that got more would hand its service events that it parks.
    """
    known = {name: build.catalogue() for name, build in builds.items()}
    contracts = [
        replace(
            contract,
            consumers=tuple(
                name
                for name, theirs in known.items()
                if contract.type in theirs.types
                and name in theirs.contract(contract.type).consumers
            ),
        )
        for name in known
        for contract in known[name].produced_by(name)
    ]
    own = catalogue()
    return Catalogue(contracts, own.services, own.envelope)


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
        """:raises TimeoutError: with what it lacks and the end of its log."""
        wait_until(lambda: bool(self.readiness()["ready"]), f"{self.name} to be ready", self._state)

    def _state(self) -> str:
        return f"{self.readiness()}\n{self.log.read_text(errors='replace')[-2000:]}"

    def kill(self) -> None:
        """End it and all its children at once, as a crash of its machine would."""
        self._signal(signal.SIGKILL)
        self.wait()

    def ask_to_stop(self) -> None:
        """Have it finish what is under way and end; :meth:`wait` for that.

        Its children are not told, as a container's runtime tells none but the first process.
        """
        if self._running is not None and self._running.poll() is None:
            self._running.send_signal(signal.SIGTERM)

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

    :param databases: a SQLAlchemy URL for each service that is to run, and the gateway.
    :param accounts: an AMQP URL for each of them.
    :param folder: where logs are written.
    :param builds: the version of each service; those of the environment when not named.
    :param fronts: the port at which others find a service, where that is not its api's own: a
        balancer's, that stands before several.
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
        builds: Mapping[str, Build] | None = None,
        fronts: Mapping[str, int] | None = None,
    ) -> None:
        self._folder = folder
        self.databases = databases
        self._accounts = accounts
        self._admin = {"ADMIN_EMAIL": admin_email, "ADMIN_PASSWORD": admin_password}
        self._extra = dict(extra or {})
        self.builds = {name: Build.from_environment(name) for name in MODULES} | dict(builds or {})
        own = {name: free_port() for name in MODULES}
        self._ports = own | dict(fronts or {})
        self._sealing_key = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
        self.apis = {name: self.api(name, port=own[name]) for name in databases}
        self.workers = {name: [self.worker(name)] for name in databases}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._ports['gateway']}"

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

    def _process(self, name: str, command: str, build: Build | None, port: int | None) -> Process:
        build = build or self.builds[name]
        port = port or free_port()
        return Process(
            name=f"{name} {command}",
            command=build.command(name, command),
            environment=self._environment(name, command, port) | build.environment(name),
            port=port,
            log=self._folder / f"{name}-{command}.log",
        )

    def api(self, name: str, build: Build | None = None, port: int | None = None) -> Process:
        """An ``api`` of a service, in whatever version; the caller starts and stops it."""
        return self._process(name, "api", build, port)

    def worker(self, name: str, build: Build | None = None) -> Process:
        """A ``worker`` of a service, in whatever version; the caller starts and stops it."""
        return self._process(name, "worker", build, None)

    def add_worker(self, name: str) -> Process:
        """Start one more worker of a service."""
        worker = self.worker(name)
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

    def run(self, name: str, *command: str, build: Build | None = None) -> str:
        """Run a command of a service to its end.

        :param build: the version whose command it is, where that is not the service's.
        :returns: what it printed.
        :raises RuntimeError: with what it complained of, when it failed.
        """
        build = build or self.builds[name]
        done = subprocess.run(  # noqa: S603 - our own commands
            build.command(name, *command),
            env=self._environment(name, command[0], 0) | build.environment(name),
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
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda name: self.run(name, "migrate"), self.databases))
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
