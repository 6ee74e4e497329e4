"""Engine, sessions, transactions, column types and keys: one database a service."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, cast
from zlib import crc32
from zoneinfo import ZoneInfo

import orjson
import psycopg
import uuid_utils
from psycopg.types.string import TextLoader
from sqlalchemy import (
    JSON,
    BigInteger,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Result,
    TypeDecorator,
    Uuid,
    create_engine,
    event,
    text,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection, ExceptionContext
from sqlalchemy.orm import Session, mapped_column, sessionmaker
from sqlalchemy.types import TypeEngine

NAMING = {
    "ix": "%(column_0_label)s",
    "uq": "%(table_name)s_%(column_0_N_name)s_unique",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "pk": "%(table_name)s_pkey",
}
"""How constraints are named, so that a migration can name them."""

chassis_metadata = MetaData(naming_convention=NAMING)
"""The tables that every service has, beside its own."""

MONEY_PLACES = 4
_LOCK = text("SELECT pg_advisory_xact_lock(key) FROM unnest(CAST(:keys AS bigint[])) AS key")
_SHARED_LOCK = text(
    "SELECT pg_advisory_xact_lock_shared(key) FROM unnest(CAST(:keys AS bigint[])) AS key"
)
_UTC = ZoneInfo("UTC")


def new_id() -> str:
    """A UUIDv7: unique, and ordered by the time it was made."""
    return str(uuid_utils.uuid7())


def utc_now() -> datetime:
    return datetime.now(UTC)


def lock(session: Session, *keys: int, shared: bool = False) -> None:
    """Let no other transaction that takes one of these locks go on until this one ends.

    SQLite has one writer at a time anyway.

    :param keys: 64 bits each; they are taken in order, so that no two wait for each other.
    :param shared: others may hold the locks at the same time that share them, too.
    """
    if keys and session.get_bind().dialect.name == "postgresql":
        session.execute(_SHARED_LOCK if shared else _LOCK, {"keys": sorted(keys)})


def insert_into(session: Session, table: Any) -> postgresql.Insert | sqlite.Insert:
    """An INSERT with ``on_conflict_do_nothing`` and ``on_conflict_do_update``.

    Both databases have these, and SQLAlchemy has them in its dialects.
    """
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert: postgresql.Insert | sqlite.Insert = dialect.insert(table)
    return insert


def rows_changed(result: Result[Any]) -> int:
    """How many rows an UPDATE or DELETE has met."""
    return cast("CursorResult[Any]", result).rowcount


class UTCDateTime(TypeDecorator[datetime]):
    """An instant. Takes aware datetimes only; gives them back in UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("an instant needs a time zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Exact(TypeDecorator[Decimal]):
    """An exact number of up to 18 digits, ``places`` of them decimals, summed exactly.

    ``numeric`` on PostgreSQL. SQLite has no decimals: there it is an integer, of the smallest
    fraction. A subclass says ``places``, and ``cache_ok`` (SQLAlchemy asks that of each class).
    """

    impl = Numeric
    places: int

    @property
    def python_type(self) -> type[Decimal]:
        return Decimal

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BigInteger())
        return dialect.type_descriptor(Numeric(18, self.places))

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> Any:
        if value is None or dialect.name != "sqlite":
            return value
        return int((value * 10**self.places).to_integral_exact())

    def process_result_value(self, value: Any, dialect: Dialect) -> Decimal | None:
        if value is None:
            return None
        return Decimal(value) / 10**self.places if dialect.name == "sqlite" else Decimal(value)


class Money(Exact):
    """An exact amount with four places."""

    cache_ok = True
    places = MONEY_PLACES


Json = JSON().with_variant(JSONB(), "postgresql")
"""A JSON document: ``jsonb`` on PostgreSQL."""

Id = Annotated[str, mapped_column(Uuid(as_uuid=False))]
"""A key, a string in Python, ``uuid`` on PostgreSQL."""
Key = Annotated[str, mapped_column(Uuid(as_uuid=False), primary_key=True)]
Version = Annotated[int, mapped_column(Integer)]
"""Goes up by one with each change of the row; it is the ETag and the event's ``sequence``."""
Instant = Annotated[datetime, mapped_column(UTCDateTime)]
Amount = Annotated[Decimal, mapped_column(Money)]


def _lower(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value


def _configure_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # SQLAlchemy's BEGIN below is the only one
        # SQLite's own knows ASCII alone, and a search would not find Müller for MÜLLER.
        connection.create_function("lower", 1, _lower, deterministic=True)
        for pragma in (
            "journal_mode=WAL",
            "synchronous=NORMAL",
            "busy_timeout=30000",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        # A deferred transaction that reads and then writes fails 'locked' under load.
        reading = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")


POSTGRES_PATIENCE: dict[str, Any] = {
    "connect_timeout": 5,  # seconds
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,  # milliseconds
}
"""When a connection is taken for lost: a host that is gone says nothing, and would be waited for.

Parameters of libpq, for whoever connects.
"""


def _configure_postgres(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def _on_connect(connection: psycopg.Connection, _record: object) -> None:
        # Ids are strings here: psycopg would make each a UUID, and SQLAlchemy a string again.
        connection.adapters.register_loader("uuid", TextLoader)

    event.listen(engine, "do_executemany", _insert_by_copy)
    event.listen(engine, "handle_error", _keep_first_line)


_QUOTED = re.compile(r'"[^"]*"')


def _keep_first_line(context: ExceptionContext) -> None:
    """Leave out the values of the row that an error is about: they may be personal."""
    for error in (context.original_exception, context.sqlalchemy_exception):
        if error is not None and error.args:
            told = str(error.args[0]).partition("\n")[0]
            if isinstance(context.original_exception, psycopg.DataError):
                told = _QUOTED.sub('"..."', told)
            error.args = (told, *error.args[1:])


_LEAST_TO_COPY = 50
_PARAMETER = r"%\((\w+)\)s(?:::[A-Z ]+(?:\([\d, ]+\))?)?"
_PLAIN_INSERT = re.compile(
    rf"INSERT INTO (\S+) \(([^()]+)\) VALUES \(({_PARAMETER}(?:, {_PARAMETER})*)\)"  # noqa: S608  # a pattern
)
"""An INSERT of parameters and nothing else: no SQL expression, ON CONFLICT or RETURNING."""


def _insert_by_copy(
    cursor: psycopg.Cursor[Any],
    statement: str,
    parameters: Sequence[Mapping[str, Any]],
    _context: object,
) -> bool:
    """Send many rows as one COPY, in half the time that as many INSERTs take on both sides.

    :returns: True when that was done, and SQLAlchemy has nothing left to do.
    """
    plain = _PLAIN_INSERT.fullmatch(statement) if len(parameters) >= _LEAST_TO_COPY else None
    if plain is None:
        return False
    table, columns, values = plain.group(1, 2, 3)
    names = re.findall(_PARAMETER, values)
    with cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy:
        for row in parameters:
            copy.write_row([row[name] for name in names])
    return True


def _json_text(value: Any) -> str:
    return orjson.dumps(value).decode()


_SESSION = " ".join(
    f"-c {setting}"
    for setting in (
        # The planner may take a short query for a long one, and compiling it takes 0.1 s.
        "jit=off",
        # The server gives up a host that is gone, and with it the locks that it holds.
        "tcp_keepalives_idle=10",
        "tcp_keepalives_interval=5",
        "tcp_keepalives_count=2",
    )
)

_OPTIONS: dict[str, Any] = {
    # Several times as fast as Python's own, which are what SQLAlchemy takes.
    "json_serializer": _json_text,
    "json_deserializer": orjson.loads,
    # Logs, and the reasons that events are parked for, hold no personal data.
    "hide_parameters": True,
}


def make_engine(url: str, pool_size: int = 10) -> Engine:
    """An engine for PostgreSQL or SQLite.

    :param pool_size: connections kept; at least the number of threads that use the engine.
    """
    if url.startswith("sqlite"):
        engine = create_engine(url, pool_size=pool_size, max_overflow=10, **_OPTIONS)
        _configure_sqlite(engine)
        return engine
    engine = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=5,
        pool_pre_ping=True,
        pool_recycle=1800,
        connect_args={"options": _SESSION, **POSTGRES_PATIENCE},
        **_OPTIONS,
    )
    _configure_postgres(engine)
    return engine


SessionHook = Callable[[Session], None]


class Database:
    """The one database of a service.

    :param zone: where the business days of the service are; every session knows it.
    :ivar before_commit: called with the session inside each writing transaction, at its end.
    :ivar after_commit: called after each writing transaction that committed.
    """

    def __init__(self, engine: Engine, zone: ZoneInfo = _UTC) -> None:
        self.engine = engine
        self.before_commit: list[SessionHook] = []
        self.after_commit: list[SessionHook] = []
        self._writer = sessionmaker(
            engine, expire_on_commit=False, autoflush=False, info={"zone": zone}
        )
        self._reader = sessionmaker(
            engine.execution_options(reading=True),
            expire_on_commit=False,
            autoflush=False,
            info={"zone": zone},
        )

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """One writing transaction: commits at the end of the block, rolls back on any exception."""
        with self._writer() as session:
            with session.begin():
                yield session
                session.flush()
                for hook in self.before_commit:
                    hook(session)
            for done in self.after_commit:
                done(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session for reads; what it changes is not kept."""
        with self._reader() as session:
            yield session

    @contextmanager
    def sole_holder(self, name: str) -> Iterator[Connection | None]:
        """A connection that holds the lock of this name, or None while another process holds it.

        It is held until the end of the block or of the connection. SQLite has one process, and
        every holder there is the sole one.
        """
        with self.engine.connect() as connection:
            if self.is_sqlite:
                yield connection
                return
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            key = {"key": crc32(name.encode())}
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
                yield None
                return
            try:
                yield connection
            finally:
                if not connection.invalidated:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), key)

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()
