"""Whatever the order of events, their number of times and the batches: the same tables."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, create_engine, select
from sqlalchemy.pool import StaticPool

from crm_chassis.database import make_engine
from crm_chassis.events import Event
from crm_reporting.projections.fold import Projection
from crm_reporting.projections.tables import STANDING, metadata

Tables = dict[str, list[tuple[Any, ...]]]


def tables_of(engine: Engine) -> Tables:
    """Every row of every table of the projections."""
    with engine.connect() as connection:
        return {
            name: sorted(map(tuple, connection.execute(select(table))), key=repr)
            for name, table in STANDING.items()
        }


def fold(engine: Engine, batches: Sequence[Sequence[Event]]) -> None:
    projection = Projection(ZoneInfo("UTC"))
    for batch in batches:
        with engine.begin() as connection:
            projection.fold(connection, batch)


def disordered(random: Random, events: Sequence[Event]) -> list[list[Event]]:
    """The events in another order, some of them several times, in batches of any size."""
    told = [*events, *random.choices(events, k=len(events) // 3)]
    random.shuffle(told)
    batches = []
    while told:
        size = random.choice([1, 2, 7, 50])
        batches.append(told[:size])
        told = told[size:]
    return batches


@pytest.fixture
def sqlite() -> Iterator[Any]:
    engines = []

    def make() -> Engine:
        engine = create_engine("sqlite://", poolclass=StaticPool)
        metadata.create_all(engine)
        engines.append(engine)
        return engine

    yield make
    for engine in engines:
        engine.dispose()


@pytest.fixture
def postgres_engine(postgres: Any) -> Iterator[Engine]:
    engine = make_engine(postgres.create_database("projections"))
    metadata.create_all(engine)
    yield engine
    engine.dispose()


def emptied(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for table in STANDING.values():
            connection.execute(table.delete())
    return engine


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_order_repetition_and_batches_do_not_matter(
    random: Random, sqlite: Any, company: Any
) -> None:
    events = company(random).events()
    one_by_one, at_once, disorderly = sqlite(), sqlite(), sqlite()
    fold(one_by_one, [[told] for told in events])
    fold(at_once, [events])
    fold(disorderly, disordered(random, events))
    expected = tables_of(one_by_one)
    assert tables_of(at_once) == expected
    assert tables_of(disorderly) == expected


@settings(max_examples=5, deadline=None, suppress_health_check=list(HealthCheck))
@given(random=st.randoms(use_true_random=False))
def test_postgres_gives_what_sqlite_gives(
    random: Random, sqlite: Any, postgres_engine: Engine, company: Any
) -> None:
    events = company(random).events()
    small = sqlite()
    fold(small, [events])
    fold(emptied(postgres_engine), disordered(random, events))
    assert tables_of(postgres_engine) == tables_of(small)


def test_workers_at_the_same_time(sqlite: Any, postgres_engine: Engine, company: Any) -> None:
    random = Random(7)
    events = company(random, size=60).events()
    alone = sqlite()
    fold(alone, [events])
    failures: list[Exception] = []

    def work(batches: Sequence[Sequence[Event]]) -> None:
        projection = Projection(ZoneInfo("UTC"))
        for batch in batches:
            try:
                with postgres_engine.begin() as connection:
                    projection.fold(connection, batch)
            except Exception as error:
                failures.append(error)

    workers = [
        threading.Thread(target=work, args=(disordered(Random(seed), events),)) for seed in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert failures == []
    assert tables_of(postgres_engine) == tables_of(alone)
