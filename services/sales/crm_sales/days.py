"""Business days: the moments that stand for them, and how they are counted and written."""

from __future__ import annotations

from calendar import monthrange
from datetime import date, datetime

from sqlalchemy.orm import Session

from crm_chassis.calendar import end_of
from crm_chassis.database import utc_now


def moment_on(session: Session, day: date) -> datetime:
    """When something was done that is told with its day: now, or by the end of a day gone by."""
    return min(utc_now(), end_of(session, day))


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def day_text(day: date | None) -> str | None:
    """A day as events write it."""
    return None if day is None else day.isoformat()
