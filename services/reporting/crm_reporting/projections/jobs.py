"""Rebuilds and verifications that are asked for over HTTP and run by the worker."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

import orjson
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

from crm_chassis.database import Database, Json, UTCDateTime, new_id, utc_now
from crm_chassis.events import Voided
from crm_chassis.operations.administration import record_act
from crm_chassis.operations.retention import Kept, older_than
from crm_chassis.problems import not_found
from crm_chassis.worker import Loop, polling
from crm_reporting.projections.archive import Archive, Difference, UnderWay
from crm_reporting.projections.tables import metadata

log = structlog.get_logger(__name__)

REBUILD, VERIFY = "rebuild", "verify"
KINDS = (REBUILD, VERIFY)
_POLL_SECONDS = 1.0
_KEPT_DIFFERENCES = 100

# Not one of the projections: a rebuild does not replace it.
jobs = Table(
    "projection_jobs",
    metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("state", String(10), nullable=False),
    Column("requested_by", String(64), nullable=False),
    Column("requested_at", UTCDateTime, nullable=False),
    Column("finished_at", UTCDateTime),
    Column("events", Integer),
    Column("differences", Integer),
    Column("examples", Json),
    Column("detail", Text),
    Index("projection_jobs_state", "state", "id"),
)


def request(session: Session, kind: str, by: str) -> Row[Any]:
    """Ask the worker for a rebuild or a verification."""
    job_id = new_id()
    job = {
        "id": job_id,
        "kind": kind,
        "state": "queued",
        "requested_by": by,
        "requested_at": utc_now(),
    }
    session.execute(insert(jobs), job)
    record_act(session, f"projections.{kind}", job_id, actor=by)
    return find(session, job_id)


def kept(age: timedelta) -> Kept:
    """Jobs that have ended, for ``age``."""
    return older_than(age, jobs, jobs.c.finished_at)


def on_voided(session: Session, voided: Sequence[Voided]) -> None:
    """Have the projections made anew of an archive that is without the void events."""
    queued = select(jobs.c.id).where(jobs.c.kind == REBUILD, jobs.c.state == "queued")
    # Locked, so that it does not begin before this transaction has ended.
    if session.scalar(queued.limit(1).with_for_update()) is None:
        request(session, REBUILD, "reporting")


def find(session: Session, job_id: str) -> Row[Any]:
    """A job as it is.

    :raises Problem: 404.
    """
    row = session.execute(select(jobs).where(jobs.c.id == job_id)).one_or_none()
    if row is None:
        raise not_found("job")
    return row


def runner(database: Database, zone: ZoneInfo) -> Loop:
    """The worker's loop that runs what was requested, one at a time."""
    return polling("projections", lambda _stop: run_next(database, zone), _POLL_SECONDS)


def run_next(database: Database, zone: ZoneInfo) -> bool:
    """Run the oldest job that is not finished.

    One that is marked as running was left by a worker that died, or is still under way elsewhere:
    the archive's own lock tells which.

    :returns: False when there is nothing to do now.
    """
    with database.transaction() as session:
        unfinished = select(jobs).where(jobs.c.state.in_(["queued", "running"]))
        job = session.execute(unfinished.order_by(jobs.c.id).limit(1)).one_or_none()
        if job is None:
            return False
        _mark(session, job.id, state="running")
    try:
        outcome = _RUN[job.kind](Archive(database, zone))
    except UnderWay:
        return False
    except Exception as error:
        log.error("projections.job_failed", job=job.id, exc_info=error)
        outcome = {"state": "failed", "detail": f"{type(error).__name__}: {error}"}
    with database.transaction() as session:
        _mark(session, job.id, **{"state": "done", **outcome}, finished_at=utc_now())
    return True


def _mark(session: Session, job_id: str, **values: Any) -> None:
    session.execute(update(jobs).where(jobs.c.id == job_id).values(values))


def _rebuild(archive: Archive) -> dict[str, Any]:
    return {"events": archive.rebuild()}


def _verify(archive: Archive) -> dict[str, Any]:
    found = archive.verify()
    examples = [plain(difference) for difference in islice(found, _KEPT_DIFFERENCES)]
    return {"differences": len(examples) + sum(1 for _ in found), "examples": examples}


def plain(difference: Difference) -> dict[str, Any]:
    """A difference as JSON has it."""
    as_json: dict[str, Any] = orjson.loads(orjson.dumps(asdict(difference)))
    return as_json


_RUN: dict[str, Callable[[Archive], dict[str, Any]]] = {REBUILD: _rebuild, VERIFY: _verify}
