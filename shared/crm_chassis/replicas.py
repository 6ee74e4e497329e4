"""Rows kept from another service's events: the last telling wins, in whatever order they come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Table, delete
from sqlalchemy.orm import Session

from crm_chassis.database import insert_into
from crm_chassis.events import Voided


def upsert_newer(session: Session, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Write the rows of a replica; for each ``id`` the largest ``sequence`` wins, in any order.

    The same one is written again: a replica that has come to keep more is filled by a replay.
    """
    newest: dict[str, dict[str, Any]] = {}
    for row in rows:
        known = newest.get(row["id"])
        if known is None or row["sequence"] > known["sequence"]:
            newest[row["id"]] = row
    if not newest:
        return
    insert = insert_into(session, table)
    changes = {
        column.name: insert.excluded[column.name] for column in table.c if not column.primary_key
    }
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_=changes,
        where=insert.excluded.sequence >= table.c.sequence,
    )
    session.execute(statement, [newest[key] for key in sorted(newest)])


def forget_gone(session: Session, voided: Iterable[Voided], *replicas: Table) -> None:
    """Delete the rows of replicas whose aggregates are gone."""
    gone = {each.subject for each in voided if each.gone}
    for replica in replicas:
        session.execute(delete(replica).where(replica.c.id.in_(gone)))
