"""A service's schema is brought to its version once, and says truly whether it is."""

from __future__ import annotations

import threading

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import MetaData, inspect, text

from crm_chassis.database import chassis_metadata
from crm_chassis.migrations import Migrations
from crm_chassis.service import Service


@pytest.fixture(params=["sqlite", "postgresql"])
def unmigrated(request, make_service) -> Service:
    """A service on a database of its own, whose schema was taken away."""
    url = None
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres").create_database("unmigrated")
    service = make_service("notes", url).service
    with service.database.engine.begin() as connection:
        if request.param == "postgresql":
            connection.execute(text("DROP OWNED BY CURRENT_USER"))
            connection.execute(text("CREATE SCHEMA IF NOT EXISTS public"))
        else:
            for table in inspect(connection).get_table_names():
                connection.execute(text(f"DROP TABLE {table}"))
    return service


def test_migrating_twice_changes_nothing_and_current_tells_the_truth(unmigrated):
    migrations = unmigrated.migrations
    assert not migrations.current()
    migrations.upgrade()
    assert migrations.current()
    with unmigrated.database.transaction() as session:
        session.execute(text("INSERT INTO amounts (id, value) VALUES (1, 1)"))
    migrations.upgrade()
    assert migrations.current()
    with unmigrated.database.reading() as session:
        assert session.scalar(text("SELECT count(*) FROM amounts")) == 1


def test_half_of_the_migrations_is_not_current(unmigrated):
    unmigrated.migrations.upgrade()
    with unmigrated.database.engine.begin() as connection:
        connection.execute(text("DELETE FROM alembic_version WHERE version_num = 'example_0001'"))
    assert not unmigrated.migrations.current()


def test_a_database_that_a_newer_version_migrated_is_current(unmigrated):
    unmigrated.migrations.upgrade()
    with unmigrated.database.engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE alembic_version SET version_num = 'example_0012' "
                "WHERE version_num = 'example_0001'"
            )
        )
    assert unmigrated.migrations.current()
    unmigrated.migrations.upgrade()  # after a roll-back: it does not know the newer ones
    assert unmigrated.migrations.current()


def test_who_waits_for_the_schema_goes_on_when_another_has_made_it(unmigrated):
    waiting = threading.Thread(target=unmigrated.migrations.wait, daemon=True)
    waiting.start()
    waiting.join(0.1)
    assert waiting.is_alive()
    unmigrated.migrations.upgrade()
    waiting.join(30)
    assert not waiting.is_alive()


def test_those_who_migrate_at_once_make_one_schema(unmigrated, at_once):
    assert at_once(unmigrated.migrations.upgrade, 4) == [None] * 4
    assert unmigrated.migrations.current()


def test_the_chassis_tables_are_as_the_migrations_make_them(notes):
    with notes.service.database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "compare_type": True,
                "include_name": lambda name, kind, _: (
                    kind != "table" or name in chassis_metadata.tables
                ),
            },
        )
        assert compare_metadata(context, chassis_metadata) == []


THINGS = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "extra_0001", None, ("extra",), None


def upgrade():
    op.create_table("things", sa.Column("id", sa.Integer, primary_key=True))
    op.get_bind().execute(
        sa.text("INSERT INTO things (id) VALUES (:id)"), [{"id": id} for id in range(5000)]
    )
"""
COLUMN = """
import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "extra_0002", "extra_0001", None, None


def upgrade():
    op.add_column("things", sa.Column("colour", sa.String(10), nullable=True))
"""
INDEX = """
from crm_chassis.expanding import create_index

revision, down_revision, branch_labels, depends_on = "extra_0003", "extra_0002", None, None


def upgrade():
    create_index("things_by_colour", "things", ["colour", "id"])
"""
FILL = """
from crm_chassis.expanding import fill

revision, down_revision, branch_labels, depends_on = "extra_0004", "extra_0003", None, None


def upgrade():
    fill("things", "colour = 'red'", "colour IS NULL")
"""


@pytest.fixture
def migrations_of(unmigrated, tmp_path):
    """Makes the migrations of a service, with the chassis's, out of the texts of its own."""
    folder = tmp_path / "extra" / "migrations"
    folder.mkdir(parents=True)

    def make(*texts):
        for number, text_ in enumerate(texts, start=1):
            (folder / f"extra_{number:04d}.py").write_text(text_)
        return Migrations(unmigrated.database, folder, MetaData())

    return make


def test_a_table_with_rows_is_expanded(unmigrated, migrations_of):
    migrations_of(THINGS).upgrade()
    migrations_of(THINGS, COLUMN, INDEX, FILL).upgrade()
    with unmigrated.database.reading() as session:
        colours = session.execute(text("SELECT colour, count(*) FROM things GROUP BY colour"))
        assert colours.all() == [("red", 5000)]
    indexes = inspect(unmigrated.database.engine).get_indexes("things")
    assert [index["name"] for index in indexes] == ["things_by_colour"]


@pytest.mark.parametrize("unmigrated", ["postgresql"], indirect=True)
def test_a_migration_that_waits_for_a_table_lets_others_at_it(unmigrated, migrations_of):
    migrations_of(THINGS).upgrade()
    engine = unmigrated.database.engine
    migrating = threading.Thread(target=migrations_of(THINGS, COLUMN, INDEX).upgrade)
    with engine.connect() as slow:
        slow.execute(text("SELECT count(*) FROM things"))  # and its transaction goes on
        migrating.start()
        for number in range(5000, 5003):
            waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND database = :oid"
            oid = slow.scalar(
                text("SELECT oid FROM pg_database WHERE datname = current_database()")
            )
            while not slow.scalar(text(waits), {"oid": oid}):
                pass
            with engine.begin() as other:
                other.execute(text("SET LOCAL statement_timeout = '20s'"))
                other.execute(text("INSERT INTO things (id) VALUES (:id)"), {"id": number})
    migrating.join(60)
    assert [index["name"] for index in inspect(engine).get_indexes("things")] == [
        "things_by_colour"
    ]
