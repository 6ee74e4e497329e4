"""Import jobs and the files they are given."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from datetime import timedelta
from itertools import count
from typing import IO, Any
from zlib import crc32

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Row,
    String,
    Table,
    Text,
    Uuid,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.database import (
    Database,
    Json,
    UTCDateTime,
    chassis_metadata,
    new_id,
    rows_changed,
    utc_now,
)
from crm_chassis.imports.files import XLSX, NumberedRow, read_csv, read_xlsx
from crm_chassis.imports.rows import FieldMapping, Importer, mapping_errors
from crm_chassis.problems import conflict, invalid, not_found

CHUNK_ROWS = 1000
_CHUNK_CHARACTERS = 4_000_000
"""After as many a chunk ends earlier: it is held in memory whole."""
_PIECE_BYTES = 1_000_000

import_jobs = Table(
    "import_jobs",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("resource", String(60), nullable=False),
    Column("filename", String(255), nullable=False),
    Column("mapping", Json, nullable=False),
    Column("dry_run", Boolean, nullable=False),
    Column("principal", Json, nullable=False),
    Column("owner_id", String(64), nullable=False),
    Column("state", String(10), nullable=False),
    Column("rows_total", Integer, nullable=False),
    Column("rows_done", Integer, nullable=False),
    Column("created", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("unchanged", Integer, nullable=False),
    Column("failed", Integer, nullable=False),
    Column("detail", Text),
    Column("started_at", UTCDateTime, nullable=False),
    Column("upload", Uuid(as_uuid=False)),  # the file that is taken now, of those sent for the job
    Index("import_jobs_state", "state", "started_at"),
)

import_chunks = Table(
    "import_chunks",
    chassis_metadata,
    Column("job_id", Uuid(as_uuid=False), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("first_row", Integer, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("rows_done", Integer, nullable=False),
    Column("rows", Json, nullable=False),
)

import_errors = Table(
    "import_errors",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("job_id", Uuid(as_uuid=False), nullable=False),
    Column("row", Integer, nullable=False),
    Column("column", String(200)),
    Column("field", String(200), nullable=False),
    Column("value", Text),
    Column("detail", Text, nullable=False),
    Index("import_errors_job", "job_id", "row", "id"),
)

import_files = Table(
    "import_files",
    chassis_metadata,
    Column("job_id", Uuid(as_uuid=False), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
"""Files that the worker is to read, piece by piece."""

import_names = Table(
    "import_names",
    chassis_metadata,
    Column("job_id", Uuid(as_uuid=False), primary_key=True),
    Column("hash", Integer, primary_key=True),
    Column("row", Integer, primary_key=True),
)
"""By what later rows of a dry run may refer to a row; nothing else keeps what such a run makes."""


def open_job(
    session: Session,
    principal: Principal,
    importer: Importer,
    filename: str,
    mapping: FieldMapping,
    dry_run: bool,
) -> str:
    """Create a job that waits for its file.

    :returns: the job's id.
    :raises Problem: 422 naming what is wrong with the mapping.
    """
    if errors := list(mapping_errors(session, importer, mapping)):
        raise invalid(*errors)
    job_id = new_id()
    session.execute(
        insert(import_jobs),
        {
            "id": job_id,
            "resource": importer.resource,
            "filename": filename,
            "mapping": asdict(mapping),
            "dry_run": dry_run,
            "principal": asdict(principal),
            "owner_id": principal.id,
            "state": "uploading",
            "started_at": utc_now(),
            **dict.fromkeys(
                ("rows_total", "rows_done", "created", "changed", "unchanged", "failed"), 0
            ),
        },
    )
    return job_id


def take_file(
    database: Database, principal: Principal, job: Row[Any], stream: IO[bytes], file_format: str
) -> None:
    """Take a job's file, in place of one that was sent before, and queue the job.

    A text is read as it comes, a workbook by the worker: it has to be there whole, and takes longer
    than a request may.

    :param principal: who sends it, and whose rights it is applied with.
    :raises Problem: 422 for a bad text; the job then waits for another file. 409 when the job has
        its file, or another one is sent for it since.
    """
    upload = new_id()
    with database.transaction() as session:
        _lock_waiting(session, job.id)
        drop_rows(session, job.id)
        _set(session, job.id, upload=upload)
    total = 0
    if file_format == XLSX:
        _store_file(database, job.id, upload, stream)
    else:
        for number, chunk in enumerate(_chunks(read_csv(stream, _columns(job)))):
            with database.transaction() as session:
                _lock_waiting(session, job.id, upload)
                _store_chunk(session, job, number, *chunk)
            total += len(chunk[1])
    with database.transaction() as session:
        _lock_waiting(session, job.id, upload)
        _set(session, job.id, state="queued", rows_total=total, principal=asdict(principal))


def read_workbook(session: Session, job: Row[Any]) -> bool:
    """Store the rows of a workbook that was taken.

    :returns: False when there is none.
    :raises Problem: saying what is wrong with it.
    """
    columns = import_files.c
    pieces = select(columns.content).where(columns.job_id == job.id)
    numbers = session.scalars(
        select(columns.number).where(columns.job_id == job.id).order_by(columns.number)
    ).all()
    if not numbers:
        return False
    total = 0
    with tempfile.TemporaryFile() as file:
        for number in numbers:  # one by one: a workbook may be larger than the memory
            file.write(session.scalars(pieces.where(columns.number == number)).one())
        for number, chunk in enumerate(_chunks(read_xlsx(file, _columns(job)))):
            _store_chunk(session, job, number, *chunk)
            total += len(chunk[1])
    session.execute(delete(import_files).where(columns.job_id == job.id))
    _set(session, job.id, state="running", rows_total=total)
    return True


def _store_file(database: Database, job_id: str, upload: str, stream: IO[bytes]) -> None:
    for number in count():
        piece = stream.read(_PIECE_BYTES)
        if not piece:
            return
        with database.transaction() as session:
            _lock_waiting(session, job_id, upload)
            session.execute(
                insert(import_files), {"job_id": job_id, "number": number, "content": piece}
            )


def _store_chunk(
    session: Session, job: Row[Any], number: int, first: int, chunk: list[dict[str, str]]
) -> None:
    session.execute(
        insert(import_chunks),
        {
            "job_id": job.id,
            "number": number,
            "first_row": first,
            "row_count": len(chunk),
            "rows_done": 0,
            "rows": chunk,
        },
    )
    if job.dry_run and (names := list(_names(job, first, chunk))):
        session.execute(insert(import_names), names)


def _set(session: Session, job_id: str, **values: Any) -> None:
    session.execute(update(import_jobs).where(import_jobs.c.id == job_id).values(**values))


def unfinished(session: Session) -> tuple[dict[str, int], float]:
    """How many jobs are queued and running, and for how many seconds the oldest is queued."""
    columns = import_jobs.c
    rows = session.execute(
        select(columns.state, func.count(), func.min(columns.started_at))
        .where(columns.state.in_(["queued", "running"]))
        .group_by(columns.state)
    ).all()
    counts = {"queued": 0, "running": 0} | {state: number for state, number, _began in rows}
    queued = [began for state, _number, began in rows if state == "queued"]
    return counts, (utc_now() - queued[0]).total_seconds() if queued else 0.0


def _columns(job: Row[Any]) -> Collection[str]:
    """The columns of the file that the job's mapping uses."""
    return FieldMapping(**job.mapping).columns


def drop_rows(session: Session, job_id: str) -> None:
    """Forget a job's file and its rows."""
    for table in (import_chunks, import_files, import_names):
        session.execute(delete(table).where(table.c.job_id == job_id))


def forget_jobs(session: Session, kept: timedelta, upload: timedelta, limit: int) -> int:
    """Delete jobs that are over and older than ``kept``, and those whose file never came.

    :param upload: for how long a file is waited for.
    :param limit: how many rows are deleted at most, of all that belongs to the jobs.
    :returns: how many were.
    """
    columns = import_jobs.c
    over = columns.state.in_(("done", "failed")) & (columns.started_at < utc_now() - kept)
    given_up = (columns.state == "uploading") & (columns.started_at < utc_now() - upload)
    jobs = select(columns.id).where(over | given_up).order_by(columns.started_at).limit(limit)
    job_ids = session.scalars(jobs).all()
    if not job_ids:
        return 0
    for table in (import_errors, import_chunks, import_files, import_names):
        key = tuple_(*table.primary_key.columns)
        rows = select(*table.primary_key.columns).where(table.c.job_id.in_(job_ids)).limit(limit)
        if count := rows_changed(session.execute(delete(table).where(key.in_(rows)))):
            return count
    return rows_changed(session.execute(delete(import_jobs).where(columns.id.in_(job_ids))))


def hash_of(name: str) -> int:
    """What a name is kept as in :data:`import_names`."""
    return crc32(name.encode()) - (1 << 31)


def _names(
    job: Row[Any], first: int, chunk: Sequence[Mapping[str, str]]
) -> Iterator[dict[str, Any]]:
    mapping = FieldMapping(**job.mapping)
    fields_of = mapping.reader()
    for number, cells in enumerate(chunk, start=first):
        fields = fields_of(cells)
        names = {fields[field] for field in (mapping.key, "name") if field in fields}
        for digest in {hash_of(name) for name in names}:
            yield {"job_id": job.id, "hash": digest, "row": number}


def _lock_waiting(session: Session, job_id: str, upload: str | None = None) -> None:
    """Lock a job that waits for its file.

    :param upload: the one that is taken, where it has begun.
    """
    columns = import_jobs.c
    job = session.execute(
        select(columns.state, columns.upload).where(columns.id == job_id).with_for_update()
    ).one_or_none()
    if job is None:
        raise not_found("import")
    if job.state != "uploading":
        raise conflict(f"The import is {job.state}.")
    if upload is not None and job.upload != upload:
        raise conflict("Another file is sent for this import.")


def _chunks(rows: Iterable[NumberedRow]) -> Iterator[tuple[int, list[dict[str, str]]]]:
    """Rows that follow one another, and the place of the first; a blank row ends a chunk."""
    first, length, chunk = 0, 0, list[dict[str, str]]()
    for number, row in rows:
        full = len(chunk) == CHUNK_ROWS or length > _CHUNK_CHARACTERS
        if chunk and (full or number > first + len(chunk)):
            yield first, chunk
            length, chunk = 0, []
        if not chunk:
            first = number
        chunk.append(row)
        length += sum(map(len, row.values()))
    if chunk:
        yield first, chunk
