"""The sales report: each month's sales beside its target."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_reporting.kpis.definitions import KPIS
from crm_reporting.kpis.figures import Figure, Figures, figures
from crm_reporting.kpis.kpi import AMOUNT
from crm_reporting.kpis.periods import label
from crm_reporting.kpis.questions import question_of
from crm_reporting.projections.rollups import MONTH


def sales_report(session: Session, months: Sequence[date], query: dict[str, Any]) -> dict[str, Any]:
    """Sales, quantity, target and completion of each of ``months``, those without any included.

    :param query: as for a KPI, from the first to the last of the months.
    """
    completion = _asked(session, "completion", query)
    quantity = _asked(session, "quantity", query | {"currency": completion.currency})
    rows = [
        {"month": label(MONTH, month)} | _row(_of(completion, month), _of(quantity, month))
        for month in months
    ]
    total = _row(completion.total, quantity.total)
    return {"currency": completion.currency, "rows": rows, "total": total}


def _asked(session: Session, name: str, query: dict[str, Any]) -> Figures:
    kpi = KPIS[name]
    return figures(kpi, question_of(session, kpi, query | {"grain": MONTH}))


def _of(found: Figures, month: date) -> Figure | None:
    return next((row for row in found.rows if row.start == month), None)


def _row(completion: Figure | None, quantity: Figure | None) -> dict[str, Any]:
    sums = completion.sums if completion else {"won_value": 0, "target": 0}
    return {
        "sales": Decimal(sums["won_value"]) / AMOUNT,
        "quantity": quantity.value if quantity else 0,
        "target": Decimal(sums["target"]) / AMOUNT,
        "completion": completion.value if completion else None,
    }
