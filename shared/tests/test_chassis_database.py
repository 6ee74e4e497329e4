"""Rows are stored as given, and what goes wrong is told in time and without what is in them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    Boolean,
    Column,
    Date,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    Uuid,
    func,
    insert,
    select,
)
from sqlalchemy.exc import DataError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from crm_chassis.database import POSTGRES_PATIENCE, Json, Money, UTCDateTime, make_engine, new_id
from crm_chassis.problems import from_database

things = Table(
    "things",
    MetaData(),
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("number", Integer),
    Column("text", Text),
    Column("amount", Money),
    Column("at", UTCDateTime),
    Column("day", Date),
    Column("yes", Boolean),
    Column("document", Json),
    Column("content", LargeBinary),
    Column("kept", Text, server_default="by itself"),
)
_TEXTS = ("", "tab\tnew\nline\\.", "\\N", "明光 'quoted' \"twice\"", "a,b;c", None)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = make_engine(database_url)
    things.metadata.create_all(engine)
    yield engine
    things.metadata.drop_all(engine)
    engine.dispose()


@pytest.fixture
def postgres_engine(postgres_url: str) -> Iterator[Engine]:
    engine = make_engine(postgres_url)
    things.metadata.create_all(engine)
    yield engine
    things.metadata.drop_all(engine)
    engine.dispose()


def row(number: int) -> dict[str, Any]:
    return {
        "id": new_id(),
        "number": number,
        "text": _TEXTS[number % len(_TEXTS)],
        "amount": Decimal(number) / 4,
        "at": datetime(2026, 1, 1, 12, number % 60, tzinfo=UTC),
        "day": date(2026, 1, 1 + number % 28),
        "yes": number % 2 == 0,
        "document": {"列": [number, None, 1.5, "\t"]} if number % 3 else None,
        "content": bytes(range(number % 256)),
    }


@pytest.mark.parametrize("count", [1, 3, 500])
def test_rows_are_stored_as_given(engine: Engine, count: int) -> None:
    given = [row(number) for number in range(count)]
    with engine.begin() as connection:
        connection.execute(insert(things), given)
    with engine.connect() as connection:
        stored = connection.execute(select(things).order_by(things.c.number)).mappings().all()
    assert [dict(each) for each in stored] == [{**each, "kept": "by itself"} for each in given]


def test_what_is_computed_by_the_database_still_is(engine: Engine) -> None:
    statement = insert(things).values(text=func.lower("LOWER"))
    with engine.begin() as connection:
        connection.execute(statement, [{"id": new_id(), "number": n} for n in range(100)])
        assert set(connection.scalars(select(things.c.text))) == {"lower"}


def test_a_row_that_is_there_breaks_all_of_them(engine: Engine) -> None:
    given = [row(number) for number in range(100)]
    with pytest.raises(IntegrityError), engine.begin() as connection:
        connection.execute(insert(things), [*given, given[0]])
    with engine.connect() as connection:
        assert connection.scalar(select(func.count()).select_from(things)) == 0


@pytest.mark.parametrize("column", ["id", "number"])
def test_an_error_does_not_tell_what_is_in_the_row(postgres_engine: Engine, column: str) -> None:
    secret = {"id": new_id(), "text": "jane@example.com"}
    broken = {"number": "138-0000-0000"} if column == "number" else {}
    with postgres_engine.begin() as connection:
        connection.execute(insert(things), secret)
    with (
        pytest.raises((IntegrityError, DataError)) as caught,
        postgres_engine.begin() as connection,
    ):
        connection.execute(insert(things), {**secret, **broken})
    assert secret["id"] not in str(caught.value)
    assert "jane" not in str(caught.value)
    assert "0000" not in str(caught.value)


def test_a_host_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POSTGRES_PATIENCE, "connect_timeout", 2)  # the least that libpq takes
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        engine = make_engine(f"postgresql+psycopg://x:x@127.0.0.1:{silent.getsockname()[1]}/x")
        with ThreadPoolExecutor(1) as pool, pytest.raises(OperationalError):
            pool.submit(engine.connect).result(timeout=30)


def test_a_pool_without_a_connection_left_is_told_as_a_database_that_is_away() -> None:
    problem = from_database(PoolTimeout("no connection became free"))
    assert (problem.status, problem.code, problem.headers) == (
        503,
        "database-away",
        {"Retry-After": "2"},
    )
