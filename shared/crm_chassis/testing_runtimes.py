"""What a server for tests runs in: a container, or programs installed on this machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Protocol

import psutil
from testcontainers.core.container import DockerContainer

_STOP_SECONDS = 30
_LOG_TAIL = 2000  # characters


class Runtime(Protocol):
    """It keeps its ports and its data from one start to the next."""

    host: str

    def start(self) -> None:
        """Start, without waiting until the server in it is ready."""

    def stop(self) -> None:
        """Shut down in good order, and wait for the end of it."""

    def kill(self) -> None:
        """End at once, as ``kill -9`` does."""

    def remove(self) -> None:
        """End, in whatever state it is, and delete its data."""

    def check(self) -> None:
        """Raise RuntimeError, with the end of its log, when it has ended by itself."""


class ContainerRuntime:
    """A container.

    :param ports: the port on this machine for each port inside.
    :param command: what it runs, where that is not what its image says.
    :raises docker.errors.DockerException: when no Docker Engine answers.
    """

    def __init__(
        self,
        image: str,
        environment: Mapping[str, str],
        ports: Mapping[int, int],
        command: str | None = None,
    ) -> None:
        self._container = DockerContainer(image, command=command).with_envs(**environment)
        for inside, outside in ports.items():
            self._container.with_bind_ports(inside, outside)
        self._created = False
        self.host: str = self._container.get_docker_client().host()

    def start(self) -> None:
        if self._created:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._created = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop(timeout=_STOP_SECONDS)

    def kill(self) -> None:
        self._container.get_wrapped_container().kill()

    def remove(self) -> None:
        self._container.stop()

    def check(self) -> None:
        self._container.reload()
        if self._container.status == "exited":
            log = b"".join(self._container.get_logs()).decode(errors="replace")
            raise RuntimeError(f"the container ended:\n{log[-_LOG_TAIL:]}")


class ProcessRuntime:
    """Installed programs, run in a temporary directory.

    :param account: the user to run as when this process is root, which servers refuse to run as.
    :param script: shell commands that become the server; run in the directory at every start.
    :param files: what the directory holds at first, by name.
    :param stop_signal: what the server takes as the order to shut down.
    :raises LookupError: when this process is root and there is no such account.
    """

    host = "127.0.0.1"

    def __init__(
        self,
        account: str,
        script: str,
        *,
        environment: Mapping[str, str],
        files: Mapping[str, str],
        stop_signal: signal.Signals,
    ) -> None:
        self._user: int | None = None
        self._group: int | None = None
        if os.geteuid() == 0:
            user = pwd.getpwnam(account)
            self._user, self._group = user.pw_uid, user.pw_gid
        self._script = script
        self._stop_signal = stop_signal
        self._directory = Path(tempfile.mkdtemp(prefix=f"{account}-"))
        self._log = self._directory / "server.log"
        self._environment = {"LANG": "C.UTF-8", "HOME": str(self._directory), **environment}
        self._server: psutil.Popen | None = None
        for name, text in files.items():
            (self._directory / name).write_text(text)
        for path in (self._directory, *self._directory.iterdir()):
            os.chown(path, -1 if self._user is None else self._user, -1)

    def start(self) -> None:
        with self._log.open("ab") as log:
            self._server = psutil.Popen(
                ["/bin/sh", "-euc", self._script],
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self._user,
                group=self._group,
                extra_groups=None if self._user is None else [],
            )

    def stop(self) -> None:
        self._end(self._stop_signal)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._directory)

    def check(self) -> None:
        if self._server is not None and self._server.poll() is not None:
            log = self._log.read_text(errors="replace")
            raise RuntimeError(f"the server ended:\n{log[-_LOG_TAIL:]}")

    def _end(self, order: signal.Signals) -> None:
        """Signal the server, wait for its end, then kill what is left of its processes."""
        if self._server is None or self._server.poll() is not None:
            return
        # Their sessions are their own, so that only kinship tells whose they are: ask in time.
        kin = self._server.children(recursive=True)
        self._server.send_signal(order)
        with suppress(psutil.TimeoutExpired):
            self._server.wait(_STOP_SECONDS)
        for process in (self._server, *kin):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._server.wait()
        deadline = monotonic() + _STOP_SECONDS
        while any(map(_lives, kin)) and monotonic() < deadline:
            sleep(0.01)


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def search_path(programs: Sequence[str], folders: Sequence[str]) -> str:
    """The ``PATH`` on which all these programs are.

    :param folders: where packages put them beside the ``PATH``; the first one is preferred.
    :raises LookupError: naming those that are not installed.
    """
    path = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])
    missing = [program for program in programs if shutil.which(program, path=path) is None]
    if missing:
        raise LookupError(f"{', '.join(missing)} not installed")
    return path


def _lives(process: psutil.Process) -> bool:
    # A dead orphan stays a zombie where nothing reaps it, as in a container without an init.
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
