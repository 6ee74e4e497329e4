"""Applies queued import jobs, chunk by chunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import structlog
from sqlalchemy import Row as ResultRow
from sqlalchemy import Select, insert, select, update
from sqlalchemy.orm import Session

from crm_chassis.database import Database, new_id
from crm_chassis.imports.application import Application
from crm_chassis.imports.jobs import (
    CHUNK_ROWS,
    drop_rows,
    import_chunks,
    import_errors,
    import_jobs,
    read_workbook,
)
from crm_chassis.imports.reading import (
    ReadAhead,
    Reader,
    Rows,
    next_places,
    rows_at,
    unfinished_chunks,
)
from crm_chassis.imports.rows import FieldMapping, Importer, Row
from crm_chassis.problems import Problem
from crm_chassis.processor import TRANSIENT
from crm_chassis.worker import Loop, polling

log = structlog.get_logger(__name__)
_IDLE_SECONDS = 0.5


class ImportRunner:
    """Applies queued jobs; a job is worked on by one runner at a time, by a lock on its row."""

    def __init__(self, service: str, database: Database, importers: Sequence[Importer]) -> None:
        self._service = service
        self._database = database
        self._ahead = ReadAhead(database)
        self._importers = {importer.resource: importer for importer in importers}

    def loop(self) -> Loop:
        """Work until the end; the chunk under way is finished first."""
        return polling("imports", lambda _stop: self.step(), _IDLE_SECONDS)

    def step(self) -> bool:
        """Apply one chunk of the oldest job.

        :returns: False when there is nothing to do.
        """
        with self._database.reading() as session:
            job_id = session.scalar(_waiting_jobs().limit(1))
        if job_id is None:
            return False
        try:
            return self._apply_chunk(job_id, CHUNK_ROWS)
        except TRANSIENT:
            raise
        except Problem as problem:
            self._fail(job_id, ". ".join(f"{at}: {why}" for at, why in problem.errors))
            return True
        except Exception as error:
            log.warning("import.chunk_failed", error=f"{type(error).__name__}: {error}")
            self._apply_row_by_row(job_id)
            return True

    def _apply_row_by_row(self, job_id: str) -> None:
        """Apply a chunk that failed as a whole, and refuse just the rows that break it."""
        for _ in range(CHUNK_ROWS):
            try:
                worked = self._apply_chunk(job_id, 1)
            except TRANSIENT:
                raise
            except Exception as error:
                log.error("import.row_failed", exc_info=error)
                worked = self._refuse_row(job_id, error)
            if not worked:
                return

    def _refuse_row(self, job_id: str, error: Exception) -> bool:
        """Go on behind a row that broke; where even that breaks, the job has failed."""
        fault = f"{type(error).__name__} while storing the row."
        try:
            return self._apply_chunk(job_id, 1, fault)
        except TRANSIENT:
            raise
        except Exception as graver:
            log.error("import.failed", exc_info=graver)
            self._fail(job_id, f"{type(graver).__name__}: {graver}")
            return False

    def _fail(self, job_id: str, detail: str) -> None:
        with self._database.transaction() as session:
            _finish(session, job_id, "failed", detail)

    def _apply_chunk(self, job_id: str, limit: int, fault: str | None = None) -> bool:
        """Apply the next rows of a job in one transaction.

        :param fault: refuse the rows for this reason instead.
        :returns: False when another runner is at it.
        """
        with self._database.transaction() as session:
            job = session.execute(
                _waiting_jobs()
                .with_only_columns(import_jobs)
                .where(import_jobs.c.id == job_id)
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if job is None:
                return False
            importer = self._importers.get(job.resource)
            if importer is None:
                detail = f"This release of {self._service} takes in no {job.resource}."
                _finish(session, job.id, "failed", detail)
                return True
            if read_workbook(session, job):
                return True
            chunk = session.execute(unfinished_chunks(job.id).limit(1)).one_or_none()
            if chunk is None:
                _finish(session, job.id, "done")
                return True
            mapping = FieldMapping(**job.mapping)
            places = next_places(chunk, limit)
            if fault is not None:
                rows = _refused(rows_at(session, chunk, places), mapping.key, fault)
            else:
                rows = self._apply(session, importer, job, chunk, places)
            _keep_errors(session, job.id, mapping, rows)
            _keep_progress(session, job, chunk, rows)
        return True

    def _apply(
        self,
        session: Session,
        importer: Importer,
        job: ResultRow[Any],
        chunk: ResultRow[Any],
        places: range,
    ) -> Sequence[Row]:
        application = Application(session, importer, job, self._database.before_commit)
        if job.dry_run:
            given = rows_at(session, chunk, places)
            return application.rehearse(Reader(session, importer, job), given)
        rows = self._ahead.take(job, places)
        self._ahead.begin(importer, job, chunk.number)
        if rows is None:
            rows = list(Reader(session, importer, job).read(rows_at(session, chunk, places)))
        application.apply(rows)
        return rows


def _refused(given: Rows, field: str, fault: str) -> Sequence[Row]:
    rows = [Row(number, {}, cells=cells) for number, cells in given.items()]
    for row in rows:
        row.refuse(field, fault)
    return rows


def _waiting_jobs() -> Select[tuple[str]]:
    return (
        select(import_jobs.c.id)
        .where(import_jobs.c.state.in_(("queued", "running")))
        .order_by(import_jobs.c.started_at)
    )


def _keep_errors(
    session: Session,
    job_id: str,
    mapping: FieldMapping,
    rows: Sequence[Row],
) -> None:
    errors = []
    for row in rows:
        for name, detail in row.errors:
            column = mapping.column_of(name)
            errors.append(
                {
                    "id": new_id(),
                    "job_id": job_id,
                    "row": row.number,
                    "column": column,
                    "field": name,
                    "value": row.cells.get(column, "")[:500] if column else None,
                    "detail": detail,
                }
            )
    if errors:
        session.execute(insert(import_errors), errors)


def _keep_progress(
    session: Session, job: ResultRow[Any], chunk: ResultRow[Any], rows: Sequence[Row]
) -> None:
    outcomes = Counter(row.outcome for row in rows)
    columns = import_jobs.c
    session.execute(
        update(import_chunks)
        .where(import_chunks.c.job_id == job.id, import_chunks.c.number == chunk.number)
        .values(rows_done=chunk.rows_done + len(rows))
    )
    session.execute(
        update(import_jobs)
        .where(columns.id == job.id)
        .values(
            state="running",
            rows_done=columns.rows_done + len(rows),
            **{name: columns[name] + count for name, count in outcomes.items()},
        )
    )


def _finish(session: Session, job_id: str, state: str, detail: str | None = None) -> None:
    """Close a job and drop its rows, which nothing needs any more."""
    session.execute(
        update(import_jobs).where(import_jobs.c.id == job_id).values(state=state, detail=detail)
    )
    drop_rows(session, job_id)
