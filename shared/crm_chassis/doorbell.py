"""How a commit wakes the relay: a ring that carries nothing, so that losing one loses no event."""

from __future__ import annotations

import threading
from typing import Protocol

import psycopg
import structlog

from crm_chassis.database import POSTGRES_PATIENCE

log = structlog.get_logger(__name__)
_CHANNEL = "crm_outbox"


class Doorbell(Protocol):
    """Rung after a commit that recorded events; the relay waits at it, with a slow poll behind."""

    def ring(self) -> None: ...

    def wait(self, timeout: float) -> None:
        """Return when it was rung since the last wait, or after ``timeout`` seconds.

        :raises OSError: when it cannot be heard.
        """

    def close(self) -> None: ...


class LocalDoorbell:
    """Within one process."""

    def __init__(self) -> None:
        self._rung = threading.Event()

    def ring(self) -> None:
        self._rung.set()

    def wait(self, timeout: float) -> None:
        self._rung.wait(timeout)
        self._rung.clear()

    def close(self) -> None:
        self._rung.set()


class PostgresDoorbell:
    """Between processes, by NOTIFY on a connection of its own.

    NOTIFY inside the transaction would serialise commits; here a thread sends one notification
    for all commits since its last.

    :param url: a libpq connection string.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._due = threading.Event()
        self._closed = False
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None
        self._listener: psycopg.Connection | None = None

    def ring(self) -> None:
        self._due.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._send, name="doorbell", daemon=True)
                self._thread.start()

    def _send(self) -> None:
        connection: psycopg.Connection | None = None
        while not self._closed:
            self._due.wait()
            self._due.clear()
            try:
                if connection is None:
                    connection = psycopg.connect(self._url, autocommit=True, **POSTGRES_PATIENCE)
                connection.execute(f"NOTIFY {_CHANNEL}")
            except psycopg.Error as error:
                # The relay's own poll delivers what this ring would have.
                log.warning("doorbell.failed", error=str(error))
                _drop(connection)
                connection = None
        _drop(connection)

    def wait(self, timeout: float) -> None:
        try:
            if self._listener is None:
                self._listener = psycopg.connect(self._url, autocommit=True, **POSTGRES_PATIENCE)
                self._listener.execute(f"LISTEN {_CHANNEL}")
                return  # what was committed before the LISTEN took hold is read at once
            for _ in self._listener.notifies(timeout=timeout, stop_after=1):
                pass
        except psycopg.Error as error:
            self._drop_listener()
            raise ConnectionError(f"cannot listen for commits: {error}") from error

    def close(self) -> None:
        self._closed = True
        self._due.set()
        self._drop_listener()

    def _drop_listener(self) -> None:
        _drop(self._listener)
        self._listener = None


def _drop(connection: psycopg.Connection | None) -> None:
    if connection is not None:
        connection.close()
