"""Days, weeks, months, quarters and years, in Python and in SQL."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Date, DateTime, cast, func, literal_column

from crm_reporting.projections.rollups import DAY, MONTH, Rollup

WEEK, QUARTER, YEAR = "week", "quarter", "year"
GRAINS = (DAY, WEEK, MONTH, QUARTER, YEAR)
_MONTHS = {MONTH: 1, QUARTER: 3, YEAR: 12}
_ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From ``first`` to ``last``, both included; without a bound where None."""

    first: date | None = None
    last: date | None = None

    @property
    def bounded(self) -> bool:
        """True when it leaves out what has no date."""
        return self.first is not None or self.last is not None


def months_later(day: date, months: int) -> date:
    """The first of the month that is ``months`` after the day's."""
    count = day.year * 12 + day.month - 1 + months
    return date(count // 12, count % 12 + 1, 1)


def last_of_month(day: date) -> date:
    """The last day of the day's month."""
    return day.replace(day=monthrange(day.year, day.month)[1])


def start_of(grain: str, day: date) -> date:
    """The first day of the period that ``day`` is in. Weeks begin on Monday."""
    if grain == DAY:
        return day
    if grain == WEEK:
        return day - timedelta(days=day.weekday())
    months = _MONTHS[grain]
    return day.replace(month=(day.month - 1) // months * months + 1, day=1)


def end_of(grain: str, start: date) -> date:
    """The last day of the period that begins on ``start``."""
    if grain == DAY:
        return start
    if grain == WEEK:
        return start + timedelta(days=6)
    return last_of_month(months_later(start, _MONTHS[grain] - 1))


def label(grain: str, start: date) -> str:
    """How the period is written: 2022-09-05, 2022-W36, 2022-09, 2022-Q3, 2022."""
    if grain == WEEK:
        year, week, _ = start.isocalendar()
        return f"{year}-W{week:02d}"
    if grain == QUARTER:
        return f"{start.year:04d}-Q{(start.month + 2) // 3}"
    return start.isoformat()[: {DAY: 10, MONTH: 7, YEAR: 4}[grain]]


def months_of(first: date, last: date) -> Iterator[date]:
    """The first of each month from that of ``first`` to that of ``last``."""
    month = first.replace(day=1)
    while month <= last:
        yield month
        month = months_later(month, 1)


def cover(rollup: Rollup, span: Span, grain: str | None) -> list[tuple[str, Span]]:
    """The fewest rows of sums that make up ``span``: whole months, and days at its ends.

    :param grain: how the answer is divided; None when it is not.
    :returns: grain of the rows, and the span of their days.
    """
    if grain in (DAY, WEEK):
        return [(DAY, span)]
    if DAY not in rollup.grains or not span.bounded:
        return [(MONTH, span)]
    months = whole_months(span)
    if months.first is not None and months.last is not None and months.first > months.last:
        return [(DAY, span)]
    parts = [(MONTH, months)]
    if months.first is not None and months.first != span.first:
        parts.append((DAY, Span(span.first, months.first - _ONE_DAY)))
    if months.last is not None and months.last != span.last:
        parts.append((DAY, Span(months.last + _ONE_DAY, span.last)))
    return parts


def whole_months(span: Span) -> Span:
    """The months that lie in the span as a whole; its first is after its last when none does."""
    first, last = span.first, span.last
    if first is not None and first.day > 1:
        first = months_later(first, 1)
    if last is not None and last != last_of_month(last):
        last = last.replace(day=1) - _ONE_DAY
    return Span(first, last)


_SQLITE_STARTS = {
    DAY: "{day}",
    WEEK: "date({day}, 'weekday 0', '-6 days')",
    MONTH: "date({day}, 'start of month')",
    QUARTER: "date({day}, 'start of month', '-' || ((strftime('%m', {day}) - 1) % 3) || ' months')",
    YEAR: "date({day}, 'start of year')",
}


def start_in_sql(dialect: str, grain: str, day: ColumnElement[date]) -> ColumnElement[Any]:
    """:func:`start_of` of a column."""
    if dialect == "sqlite":
        return literal_column(_SQLITE_STARTS[grain].format(day=day), Date)
    # As a plain timestamp: a date alone would be taken for an instant in the session's time zone.
    return cast(func.date_trunc(literal_column(f"'{grain}'"), cast(day, DateTime)), Date)
