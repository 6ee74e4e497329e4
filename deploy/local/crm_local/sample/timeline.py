"""The time that the sample company looks back on."""

from __future__ import annotations

from datetime import date, timedelta
from random import Random

_SATURDAY = 5


class Timeline:
    """The twelve months before this one, and this one up to today.

    :ivar first: the first day of that time.
    :ivar months: each of its months, ``YYYY-MM``.
    """

    def __init__(self, today: date) -> None:
        self.today = today
        self.first = date(today.year - 1, today.month, 1)
        self.months = [_month(self.first, later) for later in range(13)]

    def workday(self, day: date) -> date:
        """The day itself, or the Friday before it."""
        return day - timedelta(days=max(0, day.weekday() - _SATURDAY + 1))

    def some_day(self, chance: Random, since: date | None = None) -> date:
        """A workday up to today; business grows, so that a later one is likelier."""
        first = since or self.first
        days = (self.today - first).days
        return max(first, self.workday(first + timedelta(days=int(days * chance.random() ** 0.8))))

    def age(self, day: date) -> int:
        """Days gone by since a day."""
        return (self.today - day).days


def _month(first: date, later: int) -> str:
    count = first.year * 12 + first.month - 1 + later
    return f"{count // 12:04d}-{count % 12 + 1:02d}"
