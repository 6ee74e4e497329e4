"""The stages of a customer's life cycle, and its way through them as its history tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

POTENTIAL, INTENT, CUSTOMER, REPEAT, LAPSED = STAGES = (
    "potential",
    "intent",
    "customer",
    "repeat",
    "lapsed",
)
_SECONDS_A_DAY = 86_400

_LAST_DAY = date(9999, 1, 1)

Span = tuple[date, date | None]
"""From a day until before another one, or until further notice."""


def lapse_day(last_order: date, lapse_days: int) -> date:
    """The day on which a customer has lapsed who did not order again."""
    return date.fromordinal(min(last_order.toordinal() + lapse_days + 1, _LAST_DAY.toordinal()))


@dataclass(frozen=True, slots=True)
class Move:
    """A change of stage on a business day.

    :ivar seconds_in_stage: how long the customer was in ``from_stage``.
    """

    on: date
    from_stage: str
    to_stage: str
    seconds_in_stage: int


@dataclass(frozen=True, slots=True)
class History:
    """All that a customer's stage depends on.

    :ivar known_since: the business day since when it is a customer of ours, potential at first.
    :ivar deals: when each opportunity stood that was not lost; a won one stands for good.
    :ivar order_days: the orders of each order day, cancelled ones not among them.
    """

    known_since: date
    deals: Sequence[Span]
    order_days: Mapping[date, int]

    def moves(self, lapse_days: int, today: date) -> list[Move]:
        """The way from potential to where the customer is today.

        It depends on nothing but the history, so that events in any order tell of the same way.

        :param lapse_days: after so many days without an order a customer has lapsed.
        """
        days = sorted(self.order_days)
        first_order = days[0] if days else None
        entries = [*_intents(self.deals, first_order), *self._purchases(days, lapse_days, today)]
        since = min([self.known_since, *(on for on, _ in entries)])
        return list(_moves(since, entries))

    def _purchases(
        self, days: Sequence[date], lapse_days: int, today: date
    ) -> Iterator[tuple[date, str]]:
        """The stages that orders, and days without one, lead to."""
        orders = 0
        for day, next_day in pairwise([*days, date.max]):
            orders += self.order_days[day]
            if orders == self.order_days[day]:
                yield day, CUSTOMER
            if orders > 1:
                yield day, REPEAT
            lapses_on = lapse_day(day, lapse_days)
            if lapses_on <= today and lapses_on < next_day:
                yield lapses_on, LAPSED


def _intents(deals: Iterable[Span], first_order: date | None) -> Iterator[tuple[date, str]]:
    """The days on which the first deal opens and on which the last one is lost."""
    end: date | None = date.min
    for opened, lost in sorted(deals, key=lambda span: (span[0], span[1] or date.max)):
        if end is None or (first_order is not None and opened >= first_order):
            break
        if lost is not None and lost <= max(opened, end):
            continue
        if opened > end:
            if end > date.min:
                yield end, POTENTIAL
            yield opened, INTENT
        end = lost
    if end is not None and end > date.min and (first_order is None or end < first_order):
        yield end, POTENTIAL


def _moves(since: date, entries: Iterable[tuple[date, str]]) -> Iterator[Move]:
    stage = POTENTIAL
    for on, entered in entries:
        if entered != stage:
            yield Move(on, stage, entered, (on - since).days * _SECONDS_A_DAY)
            stage, since = entered, on
