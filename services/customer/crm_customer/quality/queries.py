"""How good the records are, all together."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, rows_in_scope
from crm_customer.kinds import KINDS, Model
from crm_customer.quality.models import QualityDay


def measured(model: Model) -> Select[Any]:
    """Counts and sums over the records of a model that stand for themselves."""
    return select(
        func.count().label("records"),
        func.sum(case((model.validity == 100, 1), else_=0)).label("valid"),
        func.sum(model.quality).label("quality_sum"),
        func.sum(model.completeness).label("completeness_sum"),
    ).where(model.merged_into.is_(None), model.quality >= 0)


def summary(session: Session, kind: str, group: str | None) -> list[dict[str, Any]]:
    """The quality of the records that the current principal may read: of all, or by owner or team.

    :raises Problem: 403 for who may read none of the kind.
    """
    model = KINDS[kind].model
    statement = measured(model).where(
        rows_in_scope(current_principal(), KINDS[kind].read, model.owner_id, model.team_id)
    )
    if group is not None:
        column = model.owner_id if group == "owner" else model.team_id
        statement = statement.add_columns(column.label("key")).group_by(column).order_by(column)
    return [_figures(row) for row in session.execute(statement)]


def progress(session: Session, kind: str, first: date, last: date) -> list[dict[str, Any]]:
    """The quality day by day, of the records that were the current principal's to read.

    :raises Problem: 403 for who may read none of the kind.
    """
    scope = rows_in_scope(
        current_principal(), KINDS[kind].read, QualityDay.owner_id, QualityDay.team_id
    )
    sums = [
        func.sum(column).label(column.key)
        for column in (
            QualityDay.records,
            QualityDay.valid,
            QualityDay.quality_sum,
            QualityDay.completeness_sum,
        )
    ]
    statement = (
        select(QualityDay.day, *sums)
        .where(QualityDay.kind == kind, QualityDay.day.between(first, last), scope)
        .group_by(QualityDay.day)
        .order_by(QualityDay.day)
    )
    return [{"day": row.day, **_figures(row)} for row in session.execute(statement)]


def _figures(row: Any) -> dict[str, Any]:
    """Means and shares in percent, to one decimal; None of no records."""
    return {
        "key": getattr(row, "key", None),
        "records": row.records,
        "valid": row.valid or 0,
        "valid_percent": _percent(100 * (row.valid or 0), row.records),
        "quality": _percent(row.quality_sum or 0, row.records),
        "completeness": _percent(row.completeness_sum or 0, row.records),
    }


def _percent(total: int, records: int) -> float | None:
    return round(int(total) / records, 1) if records else None


def unscored(session: Session, model: type[Any], limit: int) -> Sequence[Any]:
    """Records stored before quality was kept, or by a release before this one."""
    waiting = select(model).where(model.quality < 0).order_by(model.quality, model.id)
    return session.scalars(waiting.limit(limit).with_for_update(skip_locked=True)).all()
