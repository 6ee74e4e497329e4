"""What is asked about opportunities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from crm_chassis.auth import visible
from crm_chassis.database import MONEY_PLACES
from crm_chassis.problems import invalid
from crm_sales.opportunities.models import ForecastEntry, Opportunity, StageEntry

READ = "sales.opportunities.read"
_PLACES = Decimal(1).scaleb(-MONEY_PLACES)


def named(session: Session, opportunity_id: str) -> Opportunity:
    """The opportunity that a request names.

    :raises Problem: 422, whether it is not there or not visible.
    """
    wanted = select(Opportunity).where(Opportunity.id == opportunity_id)
    found = session.scalars(visible(wanted, Opportunity, READ)).one_or_none()
    if found is None:
        raise invalid(("opportunity_id", "No such opportunity."))
    return found


def stage_log(session: Session, opportunity_id: str) -> Sequence[StageEntry]:
    """The way of one opportunity, oldest first."""
    return session.scalars(
        select(StageEntry)
        .where(StageEntry.opportunity_id == opportunity_id)
        .order_by(StageEntry.entered_at, StageEntry.id)
    ).all()


def forecast_log(session: Session, opportunity_id: str) -> Sequence[ForecastEntry]:
    """How the forecast of one opportunity changed, oldest first."""
    return session.scalars(
        select(ForecastEntry)
        .where(ForecastEntry.opportunity_id == opportunity_id)
        .order_by(ForecastEntry.changed_at, ForecastEntry.id)
    ).all()


@dataclass(frozen=True, slots=True)
class Total:
    """What deals of one currency add up to.

    :ivar weighted_amount: each amount times its probability.
    """

    currency: str
    count: int
    amount: Decimal
    weighted_amount: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """What deals add up to: in each currency, and those with a value in a base currency in it.

    Amounts of different currencies are never added.
    """

    by_currency: Sequence[Total]
    in_base: Sequence[Total]


def totals(session: Session, deals: Select[tuple[Opportunity]]) -> Totals:
    """What the deals of a statement add up to."""
    groups = session.execute(
        deals.with_only_columns(
            Opportunity.currency,
            Opportunity.base_currency,
            Opportunity.probability,
            func.count().label("count"),
            func.sum(Opportunity.amount).label("amount"),
            func.sum(Opportunity.base_amount).label("base_amount"),
        ).group_by(Opportunity.currency, Opportunity.base_currency, Opportunity.probability)
    ).all()
    own = _Sums()
    base = _Sums()
    for group in groups:
        own.add(group.currency, group.count, group.amount, group.probability)
        if group.base_currency is not None:
            base.add(group.base_currency, group.count, group.base_amount, group.probability)
    return Totals(own.totals(), base.totals())


class _Sums:
    def __init__(self) -> None:
        self._sums: dict[str, tuple[int, Decimal, Decimal]] = {}

    def add(self, currency: str, count: int, amount: Decimal, probability: int) -> None:
        counted, summed, weighted = self._sums.get(currency, (0, Decimal(0), Decimal(0)))
        self._sums[currency] = (
            counted + count,
            summed + amount,
            weighted + amount * probability / 100,
        )

    def totals(self) -> list[Total]:
        return [
            Total(currency, count, amount, weighted.quantize(_PLACES))
            for currency, (count, amount, weighted) in sorted(self._sums.items())
        ]
