"""What rows of a job's file say: their texts, read by the fields of the resource."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from marshmallow import ValidationError, fields
from sqlalchemy import Row as ResultRow
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.database import Database
from crm_chassis.fields import MoneyAmount
from crm_chassis.imports.jobs import CHUNK_ROWS, import_chunks
from crm_chassis.imports.rows import Cells, FieldMapping, Importer, Row
from crm_chassis.problems import flatten

Rows = Mapping[int, Cells]
"""Cells by column, by the rows' places in the file."""


def unfinished_chunks(job_id: str) -> Select[Any]:
    """The chunks of a job that have rows to be applied, in their order, without the rows."""
    columns = import_chunks.c
    return (
        select(
            columns.job_id,
            columns.number,
            columns.first_row,
            columns.row_count,
            columns.rows_done,
        )
        .where(columns.job_id == job_id, columns.rows_done < columns.row_count)
        .order_by(columns.number)
    )


def next_places(chunk: ResultRow[Any], limit: int) -> range:
    """The places in the file of a chunk's rows that come next."""
    first, end = chunk.first_row + chunk.rows_done, chunk.first_row + chunk.row_count
    return range(first, min(first + limit, end))


def rows_at(session: Session, chunk: ResultRow[Any], places: Iterable[int]) -> Rows:
    """The rows of a chunk that stand at these places of the file."""
    columns = import_chunks.c
    cells = session.scalars(
        select(columns.rows).where(columns.job_id == chunk.job_id, columns.number == chunk.number)
    ).one()
    return {place: cells[place - chunk.first_row] for place in places}


_SIMPLE = (fields.String, fields.Number, fields.Boolean, fields.Date, MoneyAmount)
"""Fields that make something immutable of a text, by the text alone."""


def _remembering(deserialize: Callable[..., Any]) -> Callable[..., Any]:
    """The same, done once for a text: what is in a column is often there again."""
    known: dict[Any, Any] = {}

    def remembered(value: Any, *args: Any, **kwargs: Any) -> Any:
        if value not in known:
            known[value] = deserialize(value, *args, **kwargs)
        return known[value]

    return remembered


class Reader:
    """Reads the cells of one job's rows, by the fields that are declared now.

    Nothing is stored, so rows can be read while those before them are written.
    """

    def __init__(self, session: Session, importer: Importer, job: ResultRow[Any]) -> None:
        mapping = FieldMapping(**job.mapping)
        self._key = mapping.key
        self._fields_of = mapping.reader()
        self._schema = importer.row_schema(session, mapping.targets())
        for entry in self._schema.fields.values():
            if isinstance(entry, _SIMPLE):
                entry.deserialize = _remembering(entry.deserialize)  # type: ignore[method-assign]

    def read(self, rows: Rows) -> Iterator[Row]:
        """The rows' values; what cannot be read is refused."""
        for number, cells in rows.items():
            yield self._read(number, cells, self._fields_of(cells))

    def _read(self, number: int, cells: Cells, texts: dict[str, Any]) -> Row:
        row = Row(number, texts, texts, cells)
        try:
            row.values = self._schema.load(texts)
        except ValidationError as error:
            for name, detail in flatten(error.messages):
                row.refuse(name, detail)
        if not row.refused and not row.values.get(self._key):
            row.refuse(self._key, "Every row needs its key.")
        return row


_ROWS_AT_A_TIME = 8  # half a millisecond; to hand over more often takes longer than it saves


class ReadAhead:
    """Reads a job's next chunk in a thread of its own, while the database stores the one before."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="import-reader")
        self._after: tuple[str, int] | None = None
        self._read: Future[Sequence[Row]] = Future()

    def begin(self, importer: Importer, job: ResultRow[Any], number: int) -> None:
        """Read the chunk of a job that comes after the one of this number."""
        if self._after == (job.id, number):
            return
        self._after = job.id, number
        self._read = self._thread.submit(self._chunk_after, importer, job, number)

    def _chunk_after(self, importer: Importer, job: ResultRow[Any], number: int) -> Sequence[Row]:
        with self._database.reading() as session:
            following = unfinished_chunks(job.id).where(import_chunks.c.number > number)
            chunk = session.execute(following.limit(1)).one_or_none()
            if chunk is None:
                return []
            rows = rows_at(session, chunk, next_places(chunk, CHUNK_ROWS))
            reader = Reader(session, importer, job)
        read: list[Row] = []
        for row in reader.read(rows):
            read.append(row)
            if not len(read) % _ROWS_AT_A_TIME:
                time.sleep(0)  # whoever writes goes first, and this in its waits for the database
        return read

    def take(self, job: ResultRow[Any], places: range) -> Sequence[Row] | None:
        """The rows of a job at these places, if they are what was read.

        Once, for applying changes them.
        """
        if self._after is None or self._after[0] != job.id or self._read.exception():
            return None
        read = self._read.result()
        if [row.number for row in read] != list(places):
            return None
        self._after = None
        return read
