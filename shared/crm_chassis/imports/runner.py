"""Applies queued import jobs, chunk by chunk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from marshmallow import Schema, ValidationError
from sqlalchemy import Row as ResultRow
from sqlalchemy import Select, delete, insert, select, update
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.auth import Principal
from crm_chassis.context import Origin, acting
from crm_chassis.database import Database, new_id
from crm_chassis.imports.jobs import CHUNK_ROWS, import_chunks, import_errors, import_jobs
from crm_chassis.imports.rows import FieldMapping, Importer, Row
from crm_chassis.problems import flatten
from crm_chassis.processor import TRANSIENT

log = structlog.get_logger(__name__)
_IDLE_SECONDS = 0.5


class ImportRunner:
    """Applies queued jobs; a job is worked on by one runner at a time, by a lock on its row."""

    def __init__(self, service: str, database: Database, importers: Sequence[Importer]) -> None:
        self._service = service
        self._database = database
        self._importers = {importer.resource: importer for importer in importers}

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set; the chunk under way is finished first."""
        while not stop.is_set():
            try:
                worked = self.step()
            except TRANSIENT as error:
                log.warning("import.waiting", error=str(error))
                worked = False
            if not worked:
                stop.wait(_IDLE_SECONDS)

    def step(self) -> bool:
        """Apply one chunk of the oldest job.

        :returns: False when there is nothing to do.
        """
        with self._database.reading() as session:
            if session.scalar(_waiting_jobs().limit(1)) is None:
                return False
        try:
            return self._apply_chunk(CHUNK_ROWS)
        except TRANSIENT:
            raise
        except Exception as error:
            log.warning("import.chunk_failed", error=f"{type(error).__name__}: {error}")
            return self._apply_row_by_row()

    def _apply_row_by_row(self) -> bool:
        """Apply a chunk that failed as a whole, and refuse just the rows that break it."""
        for _ in range(CHUNK_ROWS):
            try:
                worked = self._apply_chunk(1)
            except TRANSIENT:
                raise
            except Exception as error:
                log.error("import.row_failed", exc_info=error)
                worked = self._apply_chunk(
                    1, fault=f"{type(error).__name__} while storing the row."
                )
            if not worked:
                return False
        return True

    def _apply_chunk(self, limit: int, fault: str | None = None) -> bool:
        """Apply the next rows of the oldest job in one transaction.

        :param fault: refuse the rows for this reason instead.
        """
        with self._database.transaction() as session:
            job = session.execute(
                select(import_jobs)
                .where(import_jobs.c.id.in_(_waiting_jobs().limit(1)))
                .with_for_update(skip_locked=True)
            ).one_or_none()
            if job is None:
                return False
            chunk = session.execute(_unfinished_chunks(job.id).limit(1)).one_or_none()
            if chunk is None:
                _finish(session, job.id)
                return True
            rows = self._apply(session, job, chunk, limit, fault)
            _keep_progress(session, job, chunk, rows)
        return True

    def _apply(
        self,
        session: Session,
        job: ResultRow[Any],
        chunk: ResultRow[Any],
        limit: int,
        fault: str | None,
    ) -> list[Row]:
        importer = self._importers[job.resource]
        mapping = FieldMapping(**job.mapping)
        principal = Principal(**job.principal)
        schema = importer.schema()
        first = chunk.first_row + chunk.rows_done
        cells = chunk.rows[chunk.rows_done : chunk.rows_done + limit]
        rows = [Row(first + offset, mapping.fields_of(row)) for offset, row in enumerate(cells)]
        for row in rows:
            if fault is None:
                _validate(schema, row, mapping.key)
            else:
                row.refuse(mapping.key, fault)
        accepted = [row for row in rows if not row.refused]
        savepoint = session.begin_nested() if job.dry_run else None
        with acting(Origin(actor=principal.id, correlation_id=job.id)):
            importer.apply(session, principal, mapping.key, accepted)
            session.flush()
            if savepoint is not None:
                savepoint.rollback()
                outbox.discard(session)
        _keep_errors(session, job.id, mapping, rows, cells)
        return rows


def _waiting_jobs() -> Select[tuple[str]]:
    return (
        select(import_jobs.c.id)
        .where(import_jobs.c.state.in_(("queued", "running")))
        .order_by(import_jobs.c.started_at)
    )


def _unfinished_chunks(job_id: str) -> Select[Any]:
    columns = import_chunks.c
    return (
        select(import_chunks)
        .where(columns.job_id == job_id, columns.rows_done < columns.row_count)
        .order_by(columns.number)
    )


def _validate(schema: Schema, row: Row, key: str) -> None:
    try:
        row.values = schema.load(row.values)
    except ValidationError as error:
        for name, detail in flatten(error.messages):
            row.refuse(name, detail)
    if not row.refused and not row.values.get(key):
        row.refuse(key, "Every row needs its key.")


def _keep_errors(
    session: Session,
    job_id: str,
    mapping: FieldMapping,
    rows: Sequence[Row],
    cells: Sequence[Mapping[str, str]],
) -> None:
    errors = []
    for row, raw in zip(rows, cells, strict=True):
        for name, detail in row.errors:
            column = mapping.column_of(name)
            errors.append(
                {
                    "id": new_id(),
                    "job_id": job_id,
                    "row": row.number,
                    "column": column,
                    "field": name,
                    "value": (raw.get(column) or "")[:500] if column else None,
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


def _finish(session: Session, job_id: str) -> None:
    """Close a job and drop its rows, which nothing needs any more."""
    session.execute(update(import_jobs).where(import_jobs.c.id == job_id).values(state="done"))
    session.execute(delete(import_chunks).where(import_chunks.c.job_id == job_id))
