"""What is done about quality by the clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import bindparam, delete, insert, update
from sqlalchemy.orm import Session

from crm_chassis.calendar import day_of
from crm_chassis.database import new_id
from crm_chassis.scheduler import Recurring
from crm_customer.duplicates.upkeep import write_keys
from crm_customer.kinds import KINDS
from crm_customer.quality import queries
from crm_customer.quality.models import QualityDay
from crm_customer.quality.scoring import quality_of

_BATCH = 500


def measure_day(session: Session, now: datetime) -> bool:
    """Write down how good the records are today, in place of what was written earlier today."""
    day = day_of(session, now)
    session.execute(delete(QualityDay).where(QualityDay.day == day))
    for kind in KINDS.values():
        owners = (kind.model.owner_id, kind.model.team_id)
        rows = session.execute(queries.measured(kind.model).add_columns(*owners).group_by(*owners))
        found = [_day_row(kind.name, day, row) for row in rows.mappings()]
        if found:
            session.execute(insert(QualityDay), found)
    return False


def score_waiting(session: Session, now: datetime) -> bool:
    """Work out quality and keys of some records that have none; True while there are more."""
    return any(_score_waiting(session, kind.model) for kind in KINDS.values())


def _day_row(kind: str, day: date, row: Any) -> dict[str, Any]:
    return {"id": new_id(), "kind": kind, "day": day, **row}


def _score_waiting(session: Session, model: type[Any]) -> bool:
    records = queries.unscored(session, model, _BATCH)
    if not records:
        return False
    write_keys(session, records)
    table = model.__table__
    session.execute(
        update(table)
        .where(table.c.id == bindparam("record_id"))
        .values(updated_at=table.c.updated_at),  # nothing was changed that anybody sees
        [_scores(record) for record in records],
    )
    return len(records) == _BATCH


def _scores(record: Any) -> dict[str, Any]:
    found = quality_of(record)
    return {
        "record_id": record.id,
        "completeness": found.completeness,
        "validity": found.validity,
        "quality": found.quality,
    }


RECURRING = (
    Recurring("customer.quality_day", timedelta(hours=1), measure_day),
    Recurring("customer.unscored_records", timedelta(minutes=1), score_waiting),
)
