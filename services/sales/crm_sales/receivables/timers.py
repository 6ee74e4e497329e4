"""The day by which a receivable is to be paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm_sales.due import lock_due
from crm_sales.receivables import events
from crm_sales.receivables.models import Receivable

OVERDUE = "sales.receivable_overdue"


def on_overdue(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Tell of the receivables whose day is over."""
    for receivable in lock_due(session, OVERDUE, Receivable, subjects, now):
        if receivable.be_late():
            events.receivable_changed(session, receivable)


TIMERS = {OVERDUE: on_overdue}
