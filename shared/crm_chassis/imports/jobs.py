"""Import jobs and the files they are given."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import IO

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    Uuid,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.database import Database, Json, UTCDateTime, chassis_metadata, new_id, utc_now
from crm_chassis.imports.rows import FieldMapping, Importer, mapping_errors
from crm_chassis.problems import conflict, invalid, not_found

CHUNK_ROWS = 500
_LONGEST_CELL = 100_000

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
    if errors := list(mapping_errors(importer, mapping)):
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


def read_csv(stream: IO[bytes], required: Iterable[str]) -> Iterator[dict[str, str]]:
    """The rows of a CSV file in UTF-8, with or without byte order mark, read as they come.

    :raises Problem: 422 saying what is wrong with the bytes, the header or a row.
    """
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.DictReader(io.TextIOWrapper(stream, "utf-8-sig", newline=""), strict=True)
    number = 1  # of the row being read; the header is the first
    try:
        header = reader.fieldnames or []
        if "\0" in "".join(header):
            raise invalid(("header", "Contains a NUL character."))
        missing = [column for column in required if column not in header]
        if missing:
            raise invalid(*((column, "The file has no such column.") for column in missing))
        if len(set(header)) < len(header):
            raise invalid(("header", "Two columns have the same name."))
        number += 1
        for row in reader:
            if None in row:
                raise invalid((f"row {number}", "More cells than the header has."))
            if "\0" in "".join(cell or "" for cell in row.values()):
                raise invalid((f"row {number}", "Contains a NUL character."))
            yield row
            number += 1
    except UnicodeDecodeError as error:
        raise invalid(("file", f"Not UTF-8: {error.reason} near row {number}.")) from None
    except csv.Error as error:
        raise invalid((f"row {number}", f"Not CSV: {error}.")) from None


def take_file(database: Database, job_id: str, mapping: FieldMapping, stream: IO[bytes]) -> None:
    """Store a file's rows, in place of what was stored before, and queue the job.

    :raises Problem: 422 for a bad file; the job then waits for another one.
    """
    with database.transaction() as session:
        _require_state(session, job_id, "uploading")
        session.execute(delete(import_chunks).where(import_chunks.c.job_id == job_id))
    total = 0
    for number, rows in enumerate(_batched(read_csv(stream, mapping.columns), CHUNK_ROWS)):
        with database.transaction() as session:
            session.execute(
                insert(import_chunks),
                {
                    "job_id": job_id,
                    "number": number,
                    "first_row": total + 2,
                    "row_count": len(rows),
                    "rows_done": 0,
                    "rows": rows,
                },
            )
        total += len(rows)
    with database.transaction() as session:
        _require_state(session, job_id, "uploading")
        session.execute(
            update(import_jobs)
            .where(import_jobs.c.id == job_id)
            .values(state="queued", rows_total=total)
        )


def _require_state(session: Session, job_id: str, state: str) -> None:
    found = session.scalar(
        select(import_jobs.c.state).where(import_jobs.c.id == job_id).with_for_update()
    )
    if found is None:
        raise not_found("import")
    if found != state:
        raise conflict(f"The import is {found}.")


def _batched(rows: Iterable[dict[str, str]], size: int) -> Iterator[list[dict[str, str]]]:
    chunk: list[dict[str, str]] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
