"""A service's schema is brought to its version once, and says truly whether it is."""

from __future__ import annotations

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from crm_chassis.database import chassis_metadata
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
