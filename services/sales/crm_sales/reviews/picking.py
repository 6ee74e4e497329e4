"""The rules by which a review picks deals."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from math import ceil
from statistics import median

_FEWEST_FOR_A_MEDIAN = 5

StageKey = tuple[str, str]
"""A pipeline and one of its stages."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """An open deal as it stands.

    :ivar previous_close_on: when it was expected to close at the review before.
    """

    id: str
    name: str
    pipeline: str
    stage: str
    stage_since: datetime
    amount: Decimal
    currency: str
    expected_close_on: date | None
    previous_close_on: date | None
    owner_id: str | None
    team_id: str | None

    def days_in_stage(self, now: datetime) -> int:
        return max(timedelta(0), now - self.stage_since).days


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What makes a deal worth a look.

    :ivar stuck_days: longer in its stage than this, where the stage has no median.
    :ivar stuck_percent: longer in its stage than so much of the stage's median.
    :ivar big_percentile: of a greater amount than that of so many percent of the deals.
    """

    stuck_days: int
    stuck_percent: int
    big_percentile: int


def medians(log: Iterable[tuple[StageKey, int]]) -> dict[StageKey, timedelta]:
    """The median time in each stage, from (stage, seconds); none for a stage seldom left."""
    times = defaultdict(list)
    for stage, seconds in log:
        times[stage].append(seconds)
    return {
        stage: timedelta(seconds=median(of_stage))
        for stage, of_stage in times.items()
        if len(of_stage) >= _FEWEST_FOR_A_MEDIAN
    }


def percentile(amounts: Sequence[Decimal], percent: int) -> Decimal:
    """The nearest-rank percentile: the least amount that so many percent do not exceed."""
    return sorted(amounts)[ceil(percent / 100 * len(amounts)) - 1]


def pick(
    deals: Sequence[Deal],
    rules: Rules,
    usual: Mapping[StageKey, timedelta],
    now: datetime,
    today: date,
) -> list[tuple[Deal, list[str]]]:
    """The deals worth a look and why, the greatest amounts first.

    Stuck: longer in its stage than it may. Slipped: expected to close in the past, or later than at
    the review before. Big: of an amount above the percentile of the deals in its currency.

    :param usual: the median time in each stage that has one.
    """
    amounts = defaultdict(list)
    for deal in deals:
        amounts[deal.currency].append(deal.amount)
    big = {currency: percentile(of, rules.big_percentile) for currency, of in amounts.items()}
    picked = []
    for deal in deals:
        holds = {
            "stuck": now - deal.stage_since > _longest(deal, rules, usual),
            "slipped": _slipped(deal, today),
            "big": deal.amount > big[deal.currency],
        }
        if reasons := [reason for reason, true in holds.items() if true]:
            picked.append((deal, reasons))
    return sorted(picked, key=lambda entry: (-entry[0].amount, entry[0].id))


def _longest(deal: Deal, rules: Rules, usual: Mapping[StageKey, timedelta]) -> timedelta:
    if (median_time := usual.get((deal.pipeline, deal.stage))) is not None:
        return median_time * rules.stuck_percent / 100
    return timedelta(days=rules.stuck_days)


def _slipped(deal: Deal, today: date) -> bool:
    if deal.expected_close_on is None:
        return False
    put_off = deal.previous_close_on is not None and deal.previous_close_on < deal.expected_close_on
    return put_off or deal.expected_close_on < today
