"""What an inbox is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import Row

MOST_COUNTED = 1000


@dataclass(frozen=True, slots=True)
class Day:
    """The day of the one who asks.

    :ivar start: when it began; :ivar end: when it is over.
    """

    now: datetime
    start: datetime
    end: datetime

    @classmethod
    def at(cls, now: datetime, zone: ZoneInfo) -> Day:
        """The day in a zone that ``now`` is on."""
        today = now.astimezone(zone).date()
        days = today, today + timedelta(days=1)
        start, end = (datetime.combine(day, time(), zone) for day in days)
        return cls(now, start, end)


@dataclass(frozen=True, slots=True)
class Section:
    """Part of an inbox.

    :ivar count: of all its items, at most :data:`MOST_COUNTED`.
    :ivar items: the first of them.
    """

    count: int
    items: Sequence[Row[Any]]
