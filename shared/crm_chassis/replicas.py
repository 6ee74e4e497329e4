"""Rows kept from another service's events: the last telling wins, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session


def upsert_newer(session: Session, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Write the rows of a replica; for each ``id`` the largest ``sequence`` wins, in any order."""
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = newest.get(row["id"])
        if known is None or row["sequence"] > known["sequence"]:
            newest[row["id"]] = row
    if not newest:
        return
    dialect = sqlite if session.get_bind().dialect.name == "sqlite" else postgresql
    insert = dialect.insert(table)
    changes = {
        column.name: insert.excluded[column.name] for column in table.c if not column.primary_key
    }
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_=changes,
        where=insert.excluded.sequence > table.c.sequence,
    )
    session.execute(statement, [newest[key] for key in sorted(newest)])
