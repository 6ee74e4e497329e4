"""What an archived event was folded into: whether a sale has reached the figures, and which."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Table, select
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.operations.event_trace import Effect, Effects
from crm_reporting.projections.observations import Reader
from crm_reporting.projections.rollups import ROLLUPS
from crm_reporting.projections.tables import STANDING


def effects(zone: ZoneInfo) -> Effects:
    """Finds the rows of an event's states and facts as they stand now.

    :param zone: business time zone, as for the projection.
    """
    reader = Reader(zone)

    def of(session: Session, event: Event) -> list[Effect]:
        batch = reader.read([event])
        found = [
            _effect(session, table, key, observed.sequence)
            for table, rows in batch.states.items()
            for key, observed in rows.items()
            if observed.sequence or observed.marks
        ]
        found += [
            _effect(session, table, key, 0)
            for table, rows in batch.facts.items()
            if "id" in STANDING[table].c  # the others only name what there is
            for key in rows
        ]
        return found

    return of


def _effect(session: Session, name: str, key: str, sequence: int) -> Effect:
    table = STANDING[name]
    row = session.execute(select(table).where(table.c.id == key)).mappings().one_or_none()
    if row is None:
        return Effect(name, key, "gone")
    if sequence and row["sequence"] > sequence:
        return Effect(name, key, "superseded")
    return Effect(name, key, "stands", _sums(table, row))


def _sums(table: Table, row: Mapping[Any, Any]) -> tuple[str, ...]:
    """The rollups in which a row is counted; one that was only heard of is in none."""
    if not row.get("sequence", 1):
        return ()
    return tuple(
        rollup.name.removeprefix("rollup_")
        for rollup in ROLLUPS
        if rollup.of == table.name and rollup.share(row) is not None
    )
