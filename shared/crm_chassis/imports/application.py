"""How rows of a job's file are applied, for good or to see what would come of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from marshmallow import ValidationError, fields
from sqlalchemy import Row as ResultRow
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.auth import Principal
from crm_chassis.context import Origin, acting
from crm_chassis.database import SessionHook
from crm_chassis.fields import MoneyAmount
from crm_chassis.imports.jobs import hash_of, import_chunks, import_names
from crm_chassis.imports.rows import FieldMapping, Importer, Row
from crm_chassis.problems import flatten

Cells = Mapping[str, str]
Rows = Mapping[int, Cells]
"""Cells by column, by the rows' places in the file."""


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


class Application:
    """Applies rows of one job in one transaction.

    :param checks: what is done at the end of a writing transaction, and may refuse it.
    """

    def __init__(
        self,
        session: Session,
        importer: Importer,
        job: ResultRow[Any],
        checks: Sequence[SessionHook],
    ) -> None:
        self.mapping = FieldMapping(**job.mapping)
        self._session = session
        self._importer = importer
        self._job_id = job.id
        self._principal = Principal(**job.principal)
        self._checks = checks
        self._fields_of = self.mapping.reader()
        self._schema = importer.row_schema(session, self.mapping.targets())
        for entry in self._schema.fields.values():
            if isinstance(entry, _SIMPLE):
                entry.deserialize = _remembering(entry.deserialize)  # type: ignore[method-assign]

    def apply(self, rows: Rows) -> list[Row]:
        """Write rows, and say what became of each."""
        applied = [self._read(number, self._fields_of(cells)) for number, cells in rows.items()]
        accepted = [row for row in applied if not row.refused]
        with acting(Origin(actor=self._principal.id, correlation_id=self._job_id)):
            self._importer.apply(self._session, self._principal, self.mapping.key, accepted)
            self._session.flush()
        return applied

    def _read(self, number: int, texts: dict[str, Any]) -> Row:
        row = Row(number, texts, texts=texts)
        try:
            row.values = self._schema.load(texts)
        except ValidationError as error:
            for name, detail in flatten(error.messages):
                row.refuse(name, detail)
        if not row.refused and not row.values.get(self.mapping.key):
            row.refuse(self.mapping.key, "Every row needs its key.")
        return row

    def rehearse(self, rows: Rows) -> list[Row]:
        """Say what would become of rows, and write nothing.

        What earlier rows would have made is not there. So where a row is refused for a name that
        an earlier one has, that one is applied before it, and all of it is tried again.
        """
        first = min(rows)
        earlier: dict[int, dict[int, Cells]] = {}
        while True:
            tried = self._tried([*earlier.values(), rows])
            known = {number for chunk in earlier.values() for number in chunk}
            lacking = self._named_by(tried, first) - known
            if not lacking:
                return [row for row in tried if row.number >= first]
            for chunk, found in self._load(lacking).items():
                earlier[chunk] = dict(sorted((earlier.get(chunk, {}) | found).items()))
            earlier = dict(sorted(earlier.items()))

    def _tried(self, chunks: Iterable[Rows]) -> list[Row]:
        savepoint = self._session.begin_nested()
        applied = [row for chunk in chunks for row in self.apply(chunk)]
        for check in self._checks:
            check(self._session)
        savepoint.rollback()
        outbox.discard(self._session)
        return applied

    def _named_by(self, rows: Sequence[Row], before: int) -> set[int]:
        """The earlier rows that have a name for which one of these was refused."""
        names = {row.texts[field] for row in rows for field, _ in row.errors if field in row.texts}
        if not names:
            return set()
        columns = import_names.c
        found = select(columns.row).where(
            columns.job_id == self._job_id,
            columns.hash.in_({hash_of(name) for name in names}),
            columns.row < before,
        )
        return set(self._session.scalars(found))

    def _load(self, numbers: set[int]) -> dict[int, dict[int, Cells]]:
        """Earlier rows of the file, by the chunks they were applied in."""
        columns = import_chunks.c
        chunks = self._session.execute(
            select(columns.number, columns.first_row, columns.row_count)
            .where(columns.job_id == self._job_id, columns.first_row <= max(numbers))
            .order_by(columns.number)
        ).all()
        found: dict[int, dict[int, Cells]] = defaultdict(dict)
        for chunk in chunks:
            held = numbers & set(range(chunk.first_row, chunk.first_row + chunk.row_count))
            if held:
                rows: Any = self._session.scalar(
                    select(columns.rows).where(
                        columns.job_id == self._job_id, columns.number == chunk.number
                    )
                )
                found[chunk.number] = {number: rows[number - chunk.first_row] for number in held}
        return found
