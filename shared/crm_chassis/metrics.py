"""What a service tells Prometheus beside its counters, read at the moment it is asked for.

Names follow Prometheus' conventions: base units, ``_total`` for counters, and no label whose
values grow with the data.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import Gauge, Info, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from sqlalchemy import Engine, QueuePool
from sqlalchemy.orm import Session

from crm_chassis import inbox, outbox, scheduler
from crm_chassis.database import Database
from crm_chassis.imports import jobs
from crm_chassis.problems import DATABASE_FAULTS

if TYPE_CHECKING:
    from crm_chassis.service import Service

_MEMORY_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_NO_LIMIT = 1 << 60
"""What the older control groups say where there is none is near 2**63."""


class _OnDemand(Collector):
    def describe(self) -> Iterator[GaugeMetricFamily]:
        return iter(())


class _Queues(_OnDemand):
    """What waits in the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with self._database.reading() as session:
                families = [*_events(session), *_timers(session), *_imports(session)]
        except DATABASE_FAULTS:
            return  # readiness tells of it; the other figures are still wanted
        yield from families


def _events(session: Session) -> Iterator[GaugeMetricFamily]:
    depth, age = outbox.depth(session)
    yield GaugeMetricFamily("crm_outbox_depth", "Events not yet confirmed", depth)
    yield GaugeMetricFamily("crm_outbox_age_seconds", "Age of the oldest of them", age)
    parked = inbox.parked_count(session)
    yield GaugeMetricFamily("crm_parked_events", "Events waiting for a decision", parked)


def _timers(session: Session) -> Iterator[GaugeMetricFamily]:
    overdue, longest = scheduler.overdue(session)
    yield GaugeMetricFamily("crm_timers_overdue", "Timers due and not fired", overdue)
    yield GaugeMetricFamily("crm_timers_overdue_seconds", "Since when the first is due", longest)


def _imports(session: Session) -> Iterator[GaugeMetricFamily]:
    counts, wait = jobs.unfinished(session)
    found = GaugeMetricFamily("crm_import_jobs", "Imports not done", labels=["state"])
    for state, number in counts.items():
        found.add_metric([state], number)
    yield found
    yield GaugeMetricFamily("crm_import_wait_seconds", "Since when the oldest is queued", wait)


class _Readiness(_OnDemand):
    """The checks of ``/readyz``, each by its name."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[GaugeMetricFamily]:
        ready = GaugeMetricFamily("crm_ready", "1 for a check that holds", labels=["check"])
        for check, holds in self._service.readiness().items():
            ready.add_metric([check], holds)
        yield ready


class _Resources(_OnDemand):
    """What the process has, and how much of it is taken."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def collect(self) -> Iterator[GaugeMetricFamily]:
        pool = self._engine.pool
        if isinstance(pool, QueuePool):
            taken, size = pool.checkedout(), pool.size()
            yield GaugeMetricFamily("crm_database_connections_in_use", "Taken of the pool", taken)
            yield GaugeMetricFamily("crm_database_pool_size", "Connections that it keeps", size)
        if (limit := memory_limit()) is not None:
            yield GaugeMetricFamily("crm_memory_limit_bytes", "Of this process's container", limit)


def memory_limit() -> int | None:
    """Bytes that the control group of this process may use; None when there is no limit."""
    for path in _MEMORY_LIMITS:
        with suppress(OSError, ValueError):  # "max" is no number
            limit = int(path.read_text())
            return limit if limit < _NO_LIMIT else None
    return None


def register(service: Service) -> None:
    """Add the figures to the service's registry."""
    registry = service.registry
    Info("crm_build", "What runs", registry=registry).info({"version": service.version})
    threads = Gauge("crm_web_threads", "Requests answered at a time", registry=registry)
    threads.set(service.settings.web_threads)
    ProcessCollector(registry=registry)
    registry.register(_Queues(service.database))
    registry.register(_Readiness(service))
    registry.register(_Resources(service.database.engine))
