"""What would grow without end: removed when it is old enough, in pieces that lock nobody out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge
from psycopg.errors import LockNotAvailable
from sqlalchemy import Column, ColumnElement, Table, delete, select, text, tuple_
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.database import Database, rows_changed, utc_now
from crm_chassis.idempotency import idempotency_keys
from crm_chassis.imports.jobs import forget_jobs
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.operations.administration import administrative_acts, record_act
from crm_chassis.operations.replay_jobs import WAITING, event_replays
from crm_chassis.outbox import event_log
from crm_chassis.settings import Settings

log = structlog.get_logger(__name__)
_BATCH = 1000
_LOCK_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Kept:
    """Something that is kept for a time.

    :ivar name: in the metric and in the log of acts.
    :ivar remove: removes as many rows as it is told of those past their time; gives how many.
    """

    name: str
    remove: Callable[[Session, int], int]


def older_than(
    age: timedelta, table: Table, dated: Column[Any], *conditions: ColumnElement[bool]
) -> Kept:
    """The rows of a table, kept until ``dated`` is longer ago than ``age``."""
    key = list(table.primary_key.columns)

    def remove(session: Session, limit: int) -> int:
        old = select(*key).where(dated < utc_now() - age, *conditions).order_by(dated).limit(limit)
        among = key[0].in_(old) if len(key) == 1 else tuple_(*key).in_(old)
        return rows_changed(session.execute(delete(table).where(among)))

    return Kept(str(table.name), remove)


def kept_by_all(settings: Settings, *, on_sqlite: bool, archives: bool) -> list[Kept]:
    """What every service keeps for a time.

    Timers go when they fire. Which keys were merged is never forgotten, nor what an archive holds.
    """
    jobs_end = event_replays.c.state.not_in(WAITING)
    settled = parked_events.c.state != "parked"
    keys = idempotency_keys.c.used_at
    kept = [
        older_than(timedelta(hours=settings.idempotency_hours), idempotency_keys, keys),
        Kept(
            "import_jobs",
            lambda session, limit: forget_jobs(
                session,
                timedelta(days=settings.job_days),
                timedelta(hours=settings.upload_hours),
                limit,
            ),
        ),
        older_than(
            timedelta(days=settings.job_days), event_replays, event_replays.c.requested_at, jobs_end
        ),
        older_than(
            timedelta(days=settings.settled_event_days),
            parked_events,
            parked_events.c.settled_at,
            settled,
        ),
        older_than(
            timedelta(days=settings.administrative_act_days),
            administrative_acts,
            administrative_acts.c.at,
        ),
    ]
    if on_sqlite:  # PostgreSQL drops whole months
        confirmed = event_log.c.event_id.not_in(select(outbox.outbox.c.event_id))
        age = timedelta(days=settings.event_log_days)
        kept.append(older_than(age, event_log, event_log.c.recorded_at, confirmed))
    if not archives:
        kept.append(older_than(timedelta(days=settings.inbox_days), inbox, inbox.c.received_at))
    return kept


class Retention:
    """The retention job of a service. Of several that run at once, one does it.

    :param kept: what the service keeps beside what every service does.
    :param archives: its inbox is what it rebuilds from.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        settings: Settings,
        kept: Iterable[Kept],
        registry: CollectorRegistry,
        *,
        archives: bool = False,
    ) -> None:
        self._service = service
        self._database = database
        self._settings = settings
        self._kept: Sequence[Kept] = [
            *kept_by_all(settings, on_sqlite=database.is_sqlite, archives=archives),
            *kept,
        ]
        self._removed = Counter(
            "crm_retention_removed", "Rows removed as too old", ["kind"], registry=registry
        )
        self._last_run = Gauge(
            "crm_retention_last_run_timestamp_seconds",
            "When the retention job last ended",
            registry=registry,
        )

    def run(self) -> dict[str, int]:
        """Remove all that is past its time, and make the event log's months.

        :returns: how many rows, by kind; without those of months that were dropped whole. Empty
            too when another one is at it.
        """
        with self._database.sole_holder(f"crm-retention-{self._service}") as holder:
            if holder is None:
                return {}
            dropped = self._keep_months()
            removed = {each.name: count for each in self._kept if (count := self._remove(each))}
            if removed or dropped:
                with self._database.transaction() as session:
                    detail = {"rows": removed, "months": dropped}
                    record_act(session, "retention.run", None, detail, actor=self._service)
        self._last_run.set_to_current_time()
        return removed

    def _remove(self, kept: Kept) -> int:
        total = 0
        while True:
            with self._database.transaction() as session:
                count = kept.remove(session, _BATCH)
            if not count:
                return total
            self._removed.labels(kept.name).inc(count)
            total += count

    def _keep_months(self) -> list[str]:
        """Whoever reads the log for long, as a back-up does, is not waited for.

        A change of the table that waits would make every request wait that comes after it.
        """
        try:
            with self._database.transaction() as session:
                if not self._database.is_sqlite:
                    session.execute(text(f"SET LOCAL lock_timeout = '{_LOCK_SECONDS}s'"))
                return outbox.keep_log(session.connection(), self._settings.event_log_days)
        except OperationalError as error:
            if not isinstance(error.orig, LockNotAvailable):
                raise
            log.warning("retention.months_put_off", error=str(error.orig))
            return []
