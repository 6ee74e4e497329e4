"""The moments that stand for business days."""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta

from crm_chassis.database import utc_now

_LAST_ZONE = timedelta(hours=12)  # how far behind UTC a day ends where it ends last


def start_of(day: date) -> datetime:
    """The moment that stands for the day in a file, which knows no better."""
    return datetime.combine(day, time(), UTC)


def moment_on(day: date) -> datetime:
    """When something was done that is told with its day: now, or by the end of a day gone by."""
    return min(utc_now(), start_of(day) + timedelta(days=1) + _LAST_ZONE)


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or that month's last where it has no such day."""
    years, month = divmod(day.month - 1 + months, 12)
    year, month = day.year + years, month + 1
    return date(year, month, min(day.day, monthrange(year, month)[1]))


def day_text(day: date | None) -> str | None:
    """A day as events write it."""
    return None if day is None else day.isoformat()
