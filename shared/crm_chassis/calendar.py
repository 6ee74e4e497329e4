"""Business days: they begin and end where the business is, in requests and outside of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy.orm import Session

from crm_chassis.database import utc_now


def zone_of(session: Session) -> ZoneInfo:
    """The time zone of the business, as the service that opened the session was told."""
    zone: ZoneInfo = session.info["zone"]
    return zone


def day_of(session: Session, moment: datetime) -> date:
    """The business day that a moment falls on."""
    return moment.astimezone(zone_of(session)).date()


def today(session: Session) -> date:
    """The business day that it is."""
    return day_of(session, utc_now())


def start_of(session: Session, day: date) -> datetime:
    """The moment at which a business day begins."""
    return datetime.combine(day, time(), zone_of(session)).astimezone(UTC)


def end_of(session: Session, day: date) -> datetime:
    """The moment at which a business day is over: what is due on it is overdue from then on."""
    return start_of(session, day + timedelta(days=1))
