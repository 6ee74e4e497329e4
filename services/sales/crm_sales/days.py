"""The moments that stand for business days."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from crm_chassis.database import utc_now

_LAST_ZONE = timedelta(hours=12)  # how far behind UTC a day ends where it ends last


def start_of(day: date) -> datetime:
    """The moment that stands for the day in a file, which knows no better."""
    return datetime.combine(day, time(), UTC)


def moment_on(day: date) -> datetime:
    """When something was done that is told with its day: now, or by the end of a day gone by."""
    return min(utc_now(), start_of(day) + timedelta(days=1) + _LAST_ZONE)
