"""The loops beside the requests: relay, consumer, imports, retention."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from crm_chassis.processor import TRANSIENT

log = structlog.get_logger(__name__)
_HOUR_SECONDS = 3600.0
_RESTART_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Loop:
    """Something a worker does until it is told to stop."""

    name: str
    run: Callable[[threading.Event], None]


class Worker:
    """Runs loops, a thread each; one that fails is logged and started again."""

    def __init__(self, loops: Sequence[Loop]) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._keep_running, args=(loop,), name=loop.name, daemon=True)
            for loop in loops
        ]

    def _keep_running(self, loop: Loop) -> None:
        while not self._stop.is_set():
            try:
                loop.run(self._stop)
            except Exception as error:
                log.error("worker.loop_failed", loop=loop.name, exc_info=error)
                self._stop.wait(_RESTART_SECONDS)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Have every loop end when it has finished what is under way."""
        self._stop.set()

    def stop(self, timeout: float = 25.0) -> None:
        """Let every loop finish what it has under way, for at most ``timeout`` seconds in all."""
        self.ask_to_stop()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def running(self) -> bool:
        return not self._stop.is_set() and all(thread.is_alive() for thread in self._threads)


def polling(name: str, step: Callable[[threading.Event], bool], idle_seconds: float) -> Loop:
    """A loop that does one step after another.

    :param step: True when there may be more to do at once; else it is done again after
        ``idle_seconds``, as it is where the database or the broker is away.
    """

    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                worked = step(stop)
            except TRANSIENT as error:
                log.warning("worker.waiting", loop=name, error=str(error))
                worked = False
            if not worked:
                stop.wait(idle_seconds)

    return Loop(name, run)


def hourly(name: str, work: Callable[[], object]) -> Loop:
    """A loop that does ``work`` now and each hour; again soon while the database is away."""

    def run(stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                work()
            except TRANSIENT as error:
                log.warning("worker.waiting", loop=name, error=str(error))
                stop.wait(_RESTART_SECONDS)
                continue
            stop.wait(_HOUR_SECONDS)

    return Loop(name, run)
