"""The stack of docker-compose.yml: what tests start, kill and look into."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Any

import urllib3

from crm_local.processes import MODULES, free_port, wait_until

ROOT = Path(__file__).parents[3]
_START_SECONDS = 300
_GRACE_SECONDS = 60  # more than any service's stop_grace_period


class NoCompose(Exception):
    """There is no Docker Engine, or no Compose 2; the message says which."""


@cache
def compose_command() -> tuple[str, ...]:
    """How Compose 2 is called here.

    :raises NoCompose: it cannot be.
    """
    if not shutil.which("docker") or _run("docker", "info", check=False).returncode:
        raise NoCompose("no Docker Engine answers")
    for command in (("docker", "compose"), ("docker-compose",)):
        if shutil.which(command[0]):
            found = _run(*command, "version", "--short", check=False)
            if not found.returncode and found.stdout.lstrip("v").startswith(("2.", "3.", "4.")):
                return command
    raise NoCompose("Docker Compose 2 is not installed")


def _run(
    *command: str, check: bool = True, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """:raises RuntimeError: with what it complained of, when it failed."""
    done = subprocess.run(  # noqa: S603 - docker and our own commands
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        check=False,
        capture_output=True,
        text=True,
        timeout=_START_SECONDS + 60,
    )
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(command)}: {(done.stdout + done.stderr)[-2000:]}")
    return done


@dataclass
class Container:
    """One service of the stack: ``sales-api``, ``postgres``. It has one container.

    :ivar port: at which it tells of its health; None for a server.
    """

    name: str
    project: str
    port: int | None = None

    @property
    def id(self) -> str:
        """What Docker calls it."""
        return f"{self.project}-{self.name}-1"

    @property
    def running(self) -> bool:
        return bool(self._inspect()["State"]["Running"])

    @property
    def exit_status(self) -> int:
        """Of the process that ran in it last."""
        return int(self._inspect()["State"]["ExitCode"])

    def kill(self) -> None:
        """End it at once; it stays down until it is started."""
        _run("docker", "kill", self.id)

    def stop(self) -> None:
        """Have it finish what is under way and end, within its grace period."""
        _run("docker", "stop", f"--time={_GRACE_SECONDS}", self.id)

    def start(self) -> None:
        _run("docker", "start", self.id)

    def readiness(self) -> Mapping[str, Any]:
        """What ``/readyz`` answers; of a server, what its health check found."""
        state = self._inspect()
        if self.port is None:
            return {"ready": state["State"].get("Health", {}).get("Status") == "healthy"}
        networks = state["NetworkSettings"]["Networks"].values()
        address = next((network["IPAddress"] for network in networks if network["IPAddress"]), "")
        try:
            url = f"http://{address}:{self.port}/readyz"
            answer = urllib3.request("GET", url, timeout=5, retries=False)
            return dict(answer.json())
        except (urllib3.exceptions.HTTPError, ValueError):
            return {"ready": False}

    def wait_ready(self) -> None:
        """:raises TimeoutError: with what it lacks and the end of its log."""
        wait_until(lambda: bool(self.readiness()["ready"]), f"{self.name} to be ready", self._state)

    def _inspect(self) -> Any:
        return json.loads(_run("docker", "inspect", self.id).stdout)[0]

    def _state(self) -> str:
        done = _run("docker", "logs", "--tail=20", self.id)
        return f"{self.readiness()}\n{(done.stdout + done.stderr)[-2000:]}"


class ComposePlatform:
    """The stack of docker-compose.yml under a name, a port and volumes of its own.

    :param folder: where its additions to the file are kept.
    :param variables: what docker-compose.yml takes from the environment.
    :raises NoCompose: there is nothing here to run it with.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self._command = compose_command()
        self._project = f"crm-{secrets.token_hex(4)}"
        self._variables = {"PORT": str(free_port()), **variables}
        self._additions = folder / f"{self._project}.json"  # JSON is YAML
        self._add({})
        self.apis = {name: self._container(f"{name}-api", 8000) for name in MODULES}
        self.workers = {name: [self._container(f"{name}-worker", 8001)] for name in MODULES}
        self.postgres = self._container("postgres")
        self.rabbitmq = self._container("rabbitmq")

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._variables['PORT']}"

    def _container(self, name: str, port: int | None = None) -> Container:
        return Container(name, self._project, port)

    def _add(self, environments: Mapping[str, Mapping[str, str]]) -> None:
        """Put variables into the environments of services, when they are next created."""
        services = {name: {"environment": dict(more)} for name, more in environments.items()}
        self._additions.write_text(json.dumps({"services": services}))

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose on this stack.

        :returns: what it printed.
        :raises RuntimeError: with what it complained of, when it failed.
        """
        files = (f"--file={ROOT / 'docker-compose.yml'}", f"--file={self._additions}")
        names = (f"--project-name={self._project}", f"--project-directory={ROOT}")
        command = (*self._command, *files, *names, *arguments)
        return _run(*command, environment=self._variables).stdout

    def processes(self) -> Iterator[Container]:
        yield from self.apis.values()
        for workers in self.workers.values():
            yield from workers

    def containers(self) -> Iterator[Container]:
        """The processes, and the servers that they need."""
        yield from (self.postgres, self.rabbitmq)
        yield from self.processes()

    def run(self, name: str, *command: str) -> str:
        """Run a command of a service to its end, in a container of its own.

        :returns: what it printed.
        :raises RuntimeError: with what it complained of, when it failed.
        """
        return self.compose("run", "--rm", "--no-deps", "-T", f"{name}-worker", *command)

    def set_clock_ahead(self, name: str, ahead: timedelta) -> None:
        """Start the worker of a service anew, with its scheduler ahead of the time."""
        (worker,) = self.workers[name]
        seconds = str(round(ahead.total_seconds()))
        self._add({worker.name: {"CLOCK_AHEAD_SECONDS": seconds}})
        self.compose("up", "--detach", "--no-deps", worker.name)
        worker.wait_ready()

    def start(self) -> None:
        """Bring it up; returns when every container is healthy."""
        try:
            self.compose("up", "--detach", "--wait", f"--wait-timeout={_START_SECONDS}")
        except RuntimeError as error:
            log = self.compose("logs", "--tail=20")
            raise RuntimeError(f"{error}\n{log[-4000:]}") from None

    def stop(self) -> None:
        """Take it down, in good order, and delete its volumes."""
        self.compose("down", "--volumes")
