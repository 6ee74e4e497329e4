"""References follow merged keys: whatever was told first, and however often."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import MetaData, String, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import (
    NAMING,
    Database,
    Id,
    chassis_metadata,
    make_engine,
    new_id,
)
from crm_chassis.events import Voided
from crm_chassis.merged_keys import (
    Merge,
    MergedKeys,
    Reference,
    current_key,
    current_keys,
    written_keys,
)
from crm_chassis.testing_servers import PostgresServer


class Tables(DeclarativeBase):
    metadata = MetaData(naming_convention=NAMING)


class Deal(Versioned, Tables):
    __tablename__ = "deals"

    name: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[Id | None]


DONE = "crm.customer.merge.done.v1"

told: list[str] = []
KEYS = MergedKeys(
    {"account": [Reference(Deal.customer_id, lambda session, deal: told.append(deal.id))]}
)


@contextmanager
def database_at(url: str) -> Iterator[Database]:
    database = Database(make_engine(url))
    for metadata in (Tables.metadata, chassis_metadata):
        metadata.create_all(database.engine, tables=_needed(metadata))
    told.clear()
    yield database
    database.dispose()


def _needed(metadata: MetaData) -> Sequence[object]:
    names = {"deals", "merged_keys", "written_keys"}
    return [table for table in metadata.sorted_tables if table.name in names]


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with database_at(f"sqlite:///{tmp_path / 'deals.db'}") as found:
        yield found


def merge(survivor: str, merged: str) -> Merge:
    return Merge(new_id(), merged, survivor, True, 1)


def undone(done: Merge) -> Merge:
    return Merge(done.id, done.merged_id, done.survivor_id, False, 2)


def hear(database: Database, *merges: Merge) -> None:
    with database.transaction() as session:
        KEYS.apply(session, "account", merges)


def write(database: Database, customer_id: str | None) -> str:
    with database.transaction() as session:
        deal = Deal(id=new_id(), name="deal", customer_id=customer_id)
        session.add(deal)
    return deal.id


def customers(database: Database) -> dict[str, str | None]:
    with database.reading() as session:
        return dict(session.execute(select(Deal.id, Deal.customer_id)).tuples().all())


def remembered(session: Session) -> int:
    return len(session.execute(select(written_keys)).all())


def test_rows_follow_a_merge_and_come_back_when_it_is_undone(database: Database) -> None:
    kept, gone, other = new_id(), new_id(), new_id()
    mine, moving, apart, none = (write(database, key) for key in (kept, gone, other, None))
    done = merge(kept, gone)
    hear(database, done)
    assert customers(database) == {mine: kept, moving: kept, apart: other, none: None}
    assert told == [moving]
    with database.reading() as session:
        assert session.get(Deal, moving).version == 2
        assert (current_key(session, gone), current_key(session, other)) == (kept, other)
    hear(database, undone(done))
    assert customers(database) == {mine: kept, moving: gone, apart: other, none: None}
    assert told == [moving, moving]
    with database.reading() as session:
        assert remembered(session) == 0


def test_what_is_written_later_with_the_merged_key_follows_too(database: Database) -> None:
    kept, gone = new_id(), new_id()
    done = merge(kept, gone)
    hear(database, done)
    late, own = write(database, gone), write(database, kept)
    assert customers(database) == {late: kept, own: kept}
    assert told == []
    hear(database, undone(done))
    assert customers(database) == {late: gone, own: kept}


def test_what_was_given_to_somebody_else_meanwhile_stays_there(database: Database) -> None:
    kept, gone, other = new_id(), new_id(), new_id()
    deal = write(database, gone)
    done = merge(kept, gone)
    hear(database, done)
    with database.transaction() as session:
        session.get_one(Deal, deal).customer_id = other
    hear(database, undone(done))
    assert customers(database) == {deal: other}


def test_merges_are_followed_one_after_the_other(database: Database) -> None:
    first, second, third = new_id(), new_id(), new_id()
    deal = write(database, first)
    hear(database, merge(third, second))
    hear(database, merge(second, first))
    assert customers(database) == {deal: third}
    with database.reading() as session:
        assert set(current_keys(session, [first, second, third]).values()) == {third}


def test_a_merge_whose_undoing_was_heard_first_changes_nothing(database: Database) -> None:
    kept, gone = new_id(), new_id()
    deal = write(database, gone)
    done = merge(kept, gone)
    hear(database, undone(done))
    hear(database, done)
    assert customers(database) == {deal: gone}
    assert told == []


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[Merge], int]:
    """Merges and their ends as an owner lets them happen: what is merged is not merged again."""
    keys = [new_id() for _ in range(5)]
    alive, in_force, told_of = list(keys), [], []
    for _ in range(draw(st.integers(1, 6))):
        ends = [each for each in in_force if each.survivor_id in alive]
        if ends and draw(st.booleans()):
            done = draw(st.sampled_from(ends))
            in_force.remove(done)
            alive.append(done.merged_id)
            told_of.append(undone(done))
        elif len(alive) > 1:
            survivor, merged = draw(st.permutations(alive))[:2]
            done = merge(survivor, merged)
            in_force.append(done)
            alive.remove(merged)
            told_of.append(done)
    return told_of, draw(st.integers(0, 2**32))


@settings(max_examples=40, deadline=None)
@given(history=histories())
def test_order_duplicates_and_batches_make_no_difference(
    tmp_path_factory: pytest.TempPathFactory, history: tuple[list[Merge], int]
) -> None:
    events, seed = history
    chance = random.Random(seed)
    keys = sorted({key for each in events for key in (each.merged_id, each.survivor_id)})
    rows = {new_id(): key for key in keys * 2}
    shuffled = chance.sample(events * 2, len(events) * 2)
    outcomes = []
    for order in (events, shuffled):
        with database_at(f"sqlite:///{tmp_path_factory.mktemp('deals')}/deals.db") as database:
            waiting = list(rows.items())
            while order or waiting:
                batch, order = order[: (size := chance.randint(1, 3))], order[size:]
                if batch:
                    hear(database, *batch)
                with database.transaction() as session:
                    for row_id, key in waiting[:3]:
                        session.add(Deal(id=row_id, name="deal", customer_id=key))
                waiting = waiting[3:]
            outcomes.append(customers(database))
    ends: dict[str, Merge] = {}
    for each in sorted(events, key=lambda each: each.sequence):
        ends[each.id] = each
    into = {each.merged_id: each.survivor_id for each in ends.values() if each.in_force}
    expected = {}
    for row_id, key in rows.items():
        while key in into:
            key = into[key]
        expected[row_id] = key
    assert outcomes == [expected, expected]


def test_on_postgres_too(postgres: PostgresServer) -> None:
    with database_at(postgres.create_database("merged")) as database:
        kept, gone = new_id(), new_id()
        deal = write(database, gone)
        done = merge(kept, gone)
        hear(database, done, done)
        late = write(database, gone)
        assert set(customers(database).values()) == {kept}
        hear(database, undone(done))
        assert customers(database) == {deal: gone, late: gone}


def test_a_row_that_is_being_written_is_not_left_behind(postgres: PostgresServer) -> None:
    with database_at(postgres.create_database("merged")) as database, ThreadPoolExecutor(1) as pool:
        kept, gone = new_id(), new_id()
        with database.transaction() as session:
            session.add(Deal(id=new_id(), name="deal", customer_id=gone))
            session.flush()  # which the merge cannot see yet
            merging = pool.submit(hear, database, merge(kept, gone))
            with pytest.raises(TimeoutError):
                merging.result(timeout=0.3)
        merging.result(timeout=10)
        assert set(customers(database).values()) == {kept}


def test_a_merge_that_never_was_is_parted_again(database: Database) -> None:
    survivor, merged = new_id(), new_id()
    with database.transaction() as session:
        deal = Deal(name="one", customer_id=merged)
        session.add(deal)
        session.flush()
        done = merge(survivor, merged)
        KEYS.apply(session, "account", [done])
    told.clear()
    with database.transaction() as session:
        other = Voided(id=new_id(), type=DONE, subject=done.id, sequence=1, gone=False)
        KEYS.forget(session, [other])
        assert session.scalar(select(Deal.customer_id)) == survivor
        KEYS.forget(session, [replace(other, gone=True)])
        assert session.scalar(select(Deal.customer_id)) == merged
        assert current_key(session, merged) == merged
    assert told == [deal.id]
