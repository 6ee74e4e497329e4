"""What time it is where there is no request: in the handlers of events and of timers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo

from crm_chassis.database import utc_now
from crm_chassis.settings import Settings


@dataclass(frozen=True, slots=True)
class Clock:
    """Tells the time and the business day.

    :ivar zone: business days are days in this zone.
    :ivar ahead: by how much this clock runs before the real one, as the scheduler's does.
    """

    zone: ZoneInfo
    ahead: timedelta = timedelta(0)

    @classmethod
    def of(cls, settings: Settings) -> Self:
        return cls(settings.zone, timedelta(seconds=settings.clock_ahead_seconds))

    def now(self) -> datetime:
        return utc_now() + self.ahead

    def day_of(self, moment: datetime) -> date:
        """The business day on which a moment is."""
        return moment.astimezone(self.zone).date()

    def start_of(self, day: date) -> datetime:
        """The moment at which a business day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)
