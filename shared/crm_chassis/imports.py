"""Import jobs: a file is taken in as chunks of rows, and a worker applies them chunk by chunk.

A chunk's rows, its progress and its errors are one transaction, so a job that is killed goes on
where it was.
"""

from __future__ import annotations

import csv
import io
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Literal

import structlog
from marshmallow import Schema, ValidationError
from sqlalchemy import (
    Boolean,
    Column,
    FromClause,
    Index,
    Integer,
    Select,
    String,
    Table,
    Text,
    Uuid,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy import Row as ResultRow
from sqlalchemy.orm import Session

from crm_chassis import directory, outbox
from crm_chassis.auth import Principal
from crm_chassis.context import Origin, acting
from crm_chassis.database import Database, Json, UTCDateTime, chassis_metadata, new_id, utc_now
from crm_chassis.problems import Problem, conflict, flatten, invalid, not_found
from crm_chassis.processor import TRANSIENT

log = structlog.get_logger(__name__)

CHUNK_ROWS = 500
_IDLE_SECONDS = 0.5
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

Outcome = Literal["created", "changed", "unchanged", "failed"]


@dataclass(slots=True)
class Row:
    """One row of a file while it is applied.

    :ivar number: place in the file, the header being row 1.
    :ivar values: the mapped, validated fields; blank cells are not among them.
    """

    number: int
    values: dict[str, Any]
    outcome: Outcome = "unchanged"
    errors: list[tuple[str, str]] = field(default_factory=list)

    def refuse(self, field_name: str, detail: str) -> None:
        """Leave the row out, because of this field."""
        self.errors.append((field_name, detail))
        self.outcome = "failed"

    @property
    def refused(self) -> bool:
        return self.outcome == "failed"


@dataclass(frozen=True, slots=True)
class Importer:
    """How rows of one resource are written.

    :ivar schema: validates one mapped row; every value comes as text.
    :ivar apply: upserts rows by the key field in the given transaction, sets each row's
        ``outcome`` or refuses it.
    :ivar permission: what the importing principal needs, for all records.
    :ivar keys: the unique fields by which a row may find what it changes.
    """

    resource: str
    schema: type[Schema]
    apply: Callable[[Session, Principal, str, Sequence[Row]], None]
    permission: str
    keys: Sequence[str] = ("external_id",)


def _texts(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


@dataclass(frozen=True, slots=True)
class FieldMapping:
    """From the columns of a file to the fields of a resource.

    :ivar key: the field by which a row finds what it is to change.
    :ivar columns: column name to the field or fields it feeds.
    :ivar constants: field to the value that every row gets.
    :ivar values: field to aliases: the text in the file to the text that is meant.
    """

    key: str
    columns: Mapping[str, str | list[str]]
    constants: Mapping[str, str] = field(default_factory=dict)
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def fields_of(self, cells: Mapping[str, str]) -> dict[str, str]:
        """The fields of one row; blank cells give none."""
        found = dict(self.constants)
        for column, targets in self.columns.items():
            text = (cells.get(column) or "").strip()
            for target in _texts(targets) if text else ():
                found[target] = self.values.get(target, {}).get(text, text)
        return found

    def column_of(self, field_name: str) -> str | None:
        """The column that feeds a field, for the error report."""
        return next(
            (column for column, to in self.columns.items() if field_name in _texts(to)), None
        )

    def targets(self) -> Counter[str]:
        """How many columns and constants feed each field."""
        mapped = Counter(target for to in self.columns.values() for target in _texts(to))
        mapped.update(self.constants.keys())
        return mapped


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
    if errors := list(_mapping_errors(importer, mapping)):
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


def _mapping_errors(importer: Importer, mapping: FieldMapping) -> Iterator[tuple[str, str]]:
    known, fed = set(importer.schema().fields), mapping.targets()
    for name in sorted((set(fed) | set(mapping.values)) - known):
        yield name, f"{importer.resource} have no such field."
    for name, times in fed.items():
        if times > 1:
            yield name, "Fed more than once."
    if mapping.key not in importer.keys:
        yield "key", f"Can be: {', '.join(importer.keys)}."
    elif mapping.key not in fed:
        yield mapping.key, "The key is fed by no column."


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


def resolve(
    session: Session, rows: Sequence[Row], name: str, target: str, table: FromClause
) -> None:
    """Replace what rows call ``name`` by the ``target`` id it stands for in a table.

    A row whose name stands for nothing is refused.
    """
    known = directory.find(session, table, (row.values[name] for row in rows if name in row.values))
    for row in rows:
        if name not in row.values:
            continue
        text = row.values.pop(name)
        if text in known:
            row.values[target] = known[text]
        else:
            row.refuse(name, f"No {name} has this external id or name, or several have the name.")


def upsert(
    session: Session,
    model: type[Any],
    key: str,
    rows: Sequence[Row],
    *,
    create: Callable[[Session, dict[str, Any]], object],
    change: Callable[[Session, Any, dict[str, Any]], bool],
) -> None:
    """Create or change one aggregate a row, found by its key field, with one query for all.

    A row for which ``create`` or ``change`` raises a Problem is refused; they raise it before they
    change anything.

    :param change: says whether anything was different.
    """
    column = getattr(model, key)
    keys = {row.values[key] for row in rows}
    found = session.scalars(select(model).where(column.in_(keys)))
    known = {getattr(entity, key): entity for entity in found}
    for row in rows:
        if row.refused:
            continue
        value = row.values[key]
        try:
            if value not in known:
                known[value] = create(session, row.values)
                row.outcome = "created"
            elif change(session, known[value], row.values):
                row.outcome = "changed"
        except Problem as problem:
            for name, detail in problem.errors or [(key, problem.detail)]:
                row.refuse(name, detail)


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
