"""How rows of a job's file are applied, for good or to see what would come of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Row as ResultRow
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import outbox
from crm_chassis.auth import Principal
from crm_chassis.context import Origin, acting
from crm_chassis.database import SessionHook
from crm_chassis.imports.jobs import hash_of, import_chunks, import_names
from crm_chassis.imports.reading import Reader, Rows, rows_at
from crm_chassis.imports.rows import Importer, Row


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
        self._session = session
        self._importer = importer
        self._job_id = job.id
        self._key: str = job.mapping["key"]
        self._principal = Principal(**job.principal)
        self._checks = checks

    def apply(self, rows: Sequence[Row]) -> None:
        """Write the rows that were not refused; each then knows what became of it."""
        accepted = [row for row in rows if not row.refused]
        with acting(Origin(actor=self._principal.id, correlation_id=self._job_id)):
            self._importer.apply(self._session, self._principal, self._key, accepted)
            self._session.flush()

    def rehearse(self, reader: Reader, rows: Rows) -> list[Row]:
        """Say what would become of rows, and write nothing.

        What earlier rows would have made is not there. So where a row is refused for a name that
        an earlier one has, that one is applied before it, and all of it is tried again.
        """
        first = min(rows)
        earlier: dict[int, Rows] = {}
        while True:
            tried = self._tried(list(reader.read(chunk)) for chunk in (*earlier.values(), rows))
            known = {number for chunk in earlier.values() for number in chunk}
            lacking = self._named_by(tried, first) - known
            if not lacking:
                return [row for row in tried if row.number >= first]
            for chunk, found in self._load(lacking).items():
                earlier[chunk] = dict(sorted({**earlier.get(chunk, {}), **found}.items()))
            earlier = dict(sorted(earlier.items()))

    def _tried(self, chunks: Iterable[Sequence[Row]]) -> list[Row]:
        savepoint = self._session.begin_nested()
        applied: list[Row] = []
        for rows in chunks:
            self.apply(rows)
            applied += rows
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

    def _load(self, numbers: set[int]) -> dict[int, Rows]:
        """Earlier rows of the file, by the chunks they were applied in."""
        columns = import_chunks.c
        chunks = self._session.execute(
            select(columns.job_id, columns.number, columns.first_row, columns.row_count)
            .where(columns.job_id == self._job_id, columns.first_row <= max(numbers))
            .order_by(columns.number)
        ).all()
        found: dict[int, Rows] = {}
        for chunk in chunks:
            held = numbers & set(range(chunk.first_row, chunk.first_row + chunk.row_count))
            if held:
                found[chunk.number] = rows_at(self._session, chunk, held)
        return found
