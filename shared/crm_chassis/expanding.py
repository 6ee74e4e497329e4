"""Steps of a migration that the version before, at work beside it, does not feel.

Each ends the transaction of the migration that it stands in. A step that failed half-way is begun
again with the whole migration, so let each be a migration of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from alembic import op
from sqlalchemy import TextClause, text

_BATCH = 2_000


def create_index(name: str, table: str, columns: Sequence[str], **options: Any) -> None:
    """Make an index on a table with rows in it, while others write to the table.

    :param options: those of :func:`alembic.op.create_index`.
    """
    if op.get_bind().dialect.name == "sqlite":
        op.create_index(name, table, list(columns), **options)
        return
    with op.get_context().autocommit_block():
        patience = op.get_bind().scalar(text("SHOW lock_timeout"))
        op.execute("SET lock_timeout = 0")  # while it waits for others, it is in nobody's way
        # What one that failed has left is an index that is never used.
        op.drop_index(name, table, postgresql_concurrently=True, if_exists=True)
        op.create_index(name, table, list(columns), postgresql_concurrently=True, **options)
        op.execute(f"SET lock_timeout = '{patience}'")


def fill(table: str, values: str, lacking: str) -> None:
    """Give the rows that are there what a new column is to hold, a batch at a time.

    The old version goes on writing rows without it: fill again when it is gone, or let the new
    version make up for it when it reads.

    :param table: with a primary key ``id``.
    :param values: the assignments, in SQL.
    :param lacking: the condition that holds until they are made, in SQL.
    """
    statement = text(
        f"UPDATE {table} SET {values} "  # noqa: S608 - out of a migration, not of a request
        f"WHERE id IN (SELECT id FROM {table} WHERE {lacking} LIMIT {_BATCH})"
    )
    if op.get_bind().dialect.name == "sqlite":
        _repeat(statement)
        return
    with op.get_context().autocommit_block():
        _repeat(statement)


def _repeat(statement: TextClause) -> None:
    while op.get_bind().execute(statement).rowcount:
        pass
