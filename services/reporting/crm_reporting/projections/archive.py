"""The archive of events, folded again: into new tables, to replace or to check those that stand.

Events that were parked are in the archive only once they were handled after all. Users and teams
are the directory's, not projections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from sqlalchemy import Column, Connection, MetaData, Row, Select, Table, Uuid, select, text
from sqlalchemy.exc import OperationalError
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random

from crm_chassis.database import Database
from crm_chassis.events import decode
from crm_chassis.inbox import inbox
from crm_reporting.projections.fold import Projection
from crm_reporting.projections.tables import STANDING, shadow

log = structlog.get_logger(__name__)

_PREFIX = "shadow_"
_CHUNK = 5000
_LOCK = "crm-reporting-archive"

_folded = Table(
    f"{_PREFIX}folded", MetaData(), Column("event_id", Uuid(as_uuid=False), primary_key=True)
)


class UnderWay(Exception):
    """Another rebuild or verification is going on."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A row that is not what the archive gives.

    :ivar standing: the row that stands; None when there is none.
    :ivar rebuilt: the row that the archive gives; None when there is none.
    """

    table: str
    key: tuple[Any, ...]
    standing: dict[str, Any] | None
    rebuilt: dict[str, Any] | None


class Archive:
    """Folds a service's archive beside its running consumers.

    :param zone: business time zone, as for the projection that stands.
    """

    def __init__(self, database: Database, zone: ZoneInfo) -> None:
        self._database = database
        self._tables = shadow(_PREFIX)
        self._projection = Projection(zone, self._tables)

    def rebuild(self) -> int:
        """Replace the tables that stand with those that the archive gives.

        :returns: how many events were folded.
        :raises UnderWay: another run is going on.
        """
        with self._alone(), self._shadow():
            folded = self._fold_most()
            self._analyse()
            return folded + self._take_over()

    def verify(self) -> Iterator[Difference]:
        """Every difference between the tables that stand and those that the archive gives.

        :raises UnderWay: another run is going on.
        """
        with self._alone(), self._shadow():
            self._fold_most()
            self._analyse()
            with self._snapshot() as connection:
                self._fold_rest(connection)
                for name in STANDING:
                    yield from self._differences(connection, name)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one archive run go on at a time."""
        with self._database.sole_holder(_LOCK) as holder:
            if holder is None:
                raise UnderWay
            yield

    @contextmanager
    def _shadow(self) -> Iterator[None]:
        """The shadow's tables, empty; whatever becomes of them is gone at the end."""
        self._drop()
        with self._database.engine.begin() as connection:
            for table in (*self._tables.values(), _folded):
                table.create(connection)
        try:
            yield
        finally:
            self._drop()

    def _drop(self) -> None:
        with self._database.engine.begin() as connection:
            for table in (*self._tables.values(), _folded):
                table.drop(connection, checkfirst=True)

    def _fold_most(self) -> int:
        """Fold what is there, in chunks, each a transaction."""
        count, after = 0, None
        while True:
            with self._database.engine.begin() as connection:
                chunk = _archived().limit(_CHUNK)
                if after is not None:
                    chunk = chunk.where(inbox.c.event_id > after)
                rows = connection.execute(chunk).all()
                self._fold(connection, rows)
            count += len(rows)
            log.info("archive.folded", events=count)
            if len(rows) < _CHUNK:
                return count
            after = rows[-1].event_id

    def _fold_rest(self, connection: Connection) -> int:
        """Fold what was not folded yet: what came since, and what committed late."""
        done = select(_folded.c.event_id).where(_folded.c.event_id == inbox.c.event_id).exists()
        rows = connection.execute(_archived().where(~done)).all()
        for start in range(0, len(rows), _CHUNK):
            self._fold(connection, rows[start : start + _CHUNK])
        return len(rows)

    def _fold(self, connection: Connection, rows: Sequence[Row[Any]]) -> None:
        if not rows:
            return
        connection.execute(_folded.insert(), [{"event_id": row.event_id} for row in rows])
        events = [decode(row.body) for row in rows]
        self._projection.fold(connection, [e for e in events if self._projection.reads(e.type)])

    def _analyse(self) -> None:
        """Let the planner know how large the new tables are, before anything depends on it."""
        with self._database.engine.begin() as connection:
            for table in (*self._tables.values(), _folded):
                connection.execute(text(f"ANALYZE {table.name}"))

    @retry(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_after_attempt(5),
        wait=wait_random(0.1, 1),
        reraise=True,
    )
    def _take_over(self) -> int:
        """Fold the rest and swap the tables, while no consumer can commit.

        A reader that holds some of the tables and waits for others is a deadlock, which PostgreSQL
        ends; nothing has happened then, and it is tried again.
        """
        with self._database.engine.begin() as connection:
            if not self._database.is_sqlite:
                connection.execute(text(f"LOCK TABLE {inbox.name} IN SHARE ROW EXCLUSIVE MODE"))
            folded = self._fold_rest(connection)
            for name, standing in STANDING.items():
                standing.drop(connection)
                self._rename(connection, self._tables[name], standing)
        return folded

    def _rename(self, connection: Connection, table: Table, to: Table) -> None:
        connection.execute(text(f"ALTER TABLE {table.name} RENAME TO {to.name}"))
        if self._database.is_sqlite:  # which cannot rename an index
            for index in table.indexes:
                connection.execute(text(f"DROP INDEX {index.name}"))
            for index in to.indexes:
                index.create(connection)
            return
        names = {f"{table.name}_pkey": f"{to.name}_pkey"}
        names |= {str(index.name): str(index.name).removeprefix(_PREFIX) for index in table.indexes}
        for old, new in names.items():
            connection.execute(text(f"ALTER INDEX {old} RENAME TO {new}"))

    @contextmanager
    def _snapshot(self) -> Iterator[Connection]:
        """A transaction in which archive and projections are of one moment."""
        with self._database.engine.connect() as connection:
            if not self._database.is_sqlite:
                connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    def _differences(self, connection: Connection, name: str) -> Iterator[Difference]:
        standing, rebuilt = STANDING[name], self._tables[name]
        names = [str(column.name) for column in standing.c]
        key = [str(column.name) for column in standing.primary_key]
        found: dict[tuple[Any, ...], list[dict[str, Any] | None]] = {}
        for place, (these, those) in enumerate(((standing, rebuilt), (rebuilt, standing))):
            for row in connection.execute(select(these).except_(select(those))).mappings():
                pair = found.setdefault(tuple(row[column] for column in key), [None, None])
                pair[place] = {column: row[column] for column in names}
        for values, (stands, given) in sorted(found.items(), key=lambda item: repr(item[0])):
            yield Difference(name, values, stands, given)


def _archived() -> Select[Any]:
    columns = inbox.c
    return (
        select(columns.event_id, columns.body)
        .where(columns.body.is_not(None))
        .order_by(columns.event_id)
    )
