"""Replays that the worker does, asked for over the API."""

from __future__ import annotations

import threading
from typing import Any

import structlog
from sqlalchemy import (
    Column,
    Index,
    Integer,
    Row,
    String,
    Table,
    Text,
    Uuid,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.broker import Broker
from crm_chassis.database import (
    Database,
    Json,
    UTCDateTime,
    chassis_metadata,
    new_id,
    rows_changed,
    utc_now,
)
from crm_chassis.operations.administration import record_act
from crm_chassis.operations.replay import Cursor, Replay, Selection, count
from crm_chassis.processor import TRANSIENT
from crm_chassis.worker import Loop, polling

log = structlog.get_logger(__name__)
_IDLE_SECONDS = 1.0
WAITING = ("queued", "running")
STATES = (*WAITING, "done", "failed", "cancelled")

event_replays = Table(
    "event_replays",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("consumer", String(60), nullable=False),
    Column("since", UTCDateTime, nullable=False),
    Column("until", UTCDateTime, nullable=False),
    Column("types", Json, nullable=False),
    Column("subject", String(64)),
    Column("per_second", Integer),
    Column("state", String(10), nullable=False),
    Column("total", Integer, nullable=False),
    Column("published", Integer, nullable=False),
    Column("cursor", String(80)),
    Column("detail", Text),
    Column("requested_by", String(64), nullable=False),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Index("event_replays_state", "state", "requested_at"),
)


def described(selection: Selection) -> dict[str, Any]:
    """A selection as the act of asking for its replay keeps it."""
    return {
        "since": selection.since.isoformat(),
        "until": selection.until.isoformat(),
        "types": list(selection.types),
        "subject": selection.subject,
    }


def ask_for(
    session: Session, selection: Selection, per_second: int | None, requested_by: str
) -> str:
    """Have the worker replay a selection.

    :returns: the job's id.
    """
    job_id = new_id()
    session.execute(
        insert(event_replays),
        {
            "id": job_id,
            "consumer": selection.consumer,
            "since": selection.since,
            "until": selection.until,
            "types": list(selection.types),
            "subject": selection.subject,
            "per_second": per_second,
            "state": "queued",
            "total": count(session, selection),
            "published": 0,
            "requested_by": requested_by,
            "requested_at": utc_now(),
        },
    )
    detail = {"job": job_id, **described(selection)}
    record_act(session, "events.replay", selection.consumer, detail, actor=requested_by)
    return job_id


def cancel(session: Session, job_id: str) -> bool:
    """Have a replay end where it is.

    :returns: False when it has ended already.
    """
    cancelled = _set(session, job_id, state="cancelled", finished_at=utc_now())
    if cancelled:
        record_act(session, "events.replay_cancel", job_id)
    return cancelled


def _set(session: Session, job_id: str, **values: Any) -> bool:
    """Change a job that has not ended; False when it has."""
    job = event_replays.c
    changed = session.execute(
        update(event_replays).where(job.id == job_id, job.state.in_(WAITING)).values(**values)
    )
    return rows_changed(changed) > 0


class ReplayRunner:
    """Does the replays that were asked for, the oldest first, one at a time in a service."""

    def __init__(self, service: str, database: Database, broker: Broker) -> None:
        self._service = service
        self._database = database
        self._broker = broker

    def loop(self) -> Loop:
        """Work until the end; a replay under way goes on at the next start."""
        return polling("replays", self.step, _IDLE_SECONDS)

    def step(self, stop: threading.Event) -> bool:
        """Do the oldest replay, to its end or until ``stop`` is set.

        :returns: False when there is none, or another runner is at it.
        """
        if self._oldest() is None:
            return False
        with self._database.sole_holder(f"crm-replay-{self._service}") as holder:
            job = self._oldest() if holder is not None else None
            if job is None:
                return False
            try:
                self._do(job, stop)
            except TRANSIENT:
                raise
            except Exception as error:
                log.error("replay.failed", job=job.id, exc_info=error)
                self._save(job.id, state="failed", detail=str(error), finished_at=utc_now())
        return True

    def _oldest(self) -> Row[Any] | None:
        job = event_replays.c
        statement = select(event_replays).where(job.state.in_(WAITING)).order_by(job.requested_at)
        with self._database.reading() as session:
            return session.execute(statement.limit(1)).one_or_none()

    def _do(self, job: Row[Any], stop: threading.Event) -> None:
        replay = Replay(
            self._service,
            self._database,
            self._broker,
            Selection(
                consumer=job.consumer,
                since=job.since,
                until=job.until,
                types=tuple(job.types),
                subject=job.subject,
            ),
            after=Cursor.parse(job.cursor) if job.cursor else None,
            per_second=job.per_second,
        )

        def keep_progress() -> bool:
            return self._save(
                job.id,
                state="running",
                published=job.published + replay.published,
                cursor=str(replay.cursor) if replay.cursor else None,
            )

        if replay.run(stop, keep_progress):
            self._save(job.id, state="done", finished_at=utc_now())

    def _save(self, job_id: str, **values: Any) -> bool:
        with self._database.transaction() as session:
            return _set(session, job_id, **values)
