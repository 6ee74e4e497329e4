"""What a KPI and a funnel are, and the formulas they are made with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from crm_reporting.kpis.periods import GRAINS, WEEK
from crm_reporting.projections.rollups import DAY, Rollup

Unit = Literal["money", "count", "rate", "days", "hours"]
Sums = Mapping[str, int]
"""Component to its sum; amounts in ten-thousandths."""

_PLACES: Mapping[Unit, Decimal] = {
    "money": Decimal("0.0001"),
    "rate": Decimal("0.000001"),
    "days": Decimal("0.0001"),
    "hours": Decimal("0.0001"),
}
AMOUNT = 10_000
"""Ten-thousandths in a unit of a currency."""


@dataclass(frozen=True, slots=True)
class Sum:
    """A sum of a rollup, or of the amounts of the targets for ``measure`` where that is None."""

    rollup: Rollup | None
    measure: str

    @property
    def is_amount(self) -> bool:
        return self.rollup is None or self.measure in self.rollup.amounts


@dataclass(frozen=True, kw_only=True)
class Declared:
    """What KPIs and funnels have in common.

    :ivar formula: in words, with what is left out.
    :ivar dated_by: the business day that places a fact in a period.
    :ivar events: what it comes from.
    :ivar dimensions: what it may be divided by.
    :ivar default_by: the dimension when none is asked for.
    :ivar within: count only what has a member in this dimension.
    """

    name: str
    title: str
    unit: Unit
    formula: str
    dated_by: str
    events: tuple[str, ...]
    dimensions: tuple[str, ...]
    default_by: str | None = None
    within: str | None = None

    @property
    def rollups(self) -> tuple[Rollup, ...]:
        """What it is summed from, each once."""
        raise NotImplementedError

    @property
    def has_currency(self) -> bool:
        """True when it is made of amounts, which are not added across currencies."""
        return False

    @property
    def target_of(self) -> str | None:
        """What the targets are for that it is made of; None when it is made of none."""
        return None

    @property
    def kept_by_month(self) -> bool:
        """True when a span must be one of whole months."""
        return any(DAY not in rollup.grains for rollup in self.rollups)

    @property
    def grains(self) -> tuple[str, ...]:
        """The periods that it may be divided into."""
        if self.kept_by_month or self.target_of:
            return tuple(grain for grain in GRAINS if grain not in (DAY, WEEK))
        return GRAINS


@dataclass(frozen=True, kw_only=True)
class Kpi(Declared):
    """One KPI.

    :ivar components: the sums that ``value`` is made of, by name.
    :ivar value: the KPI of some sums, in its unit before rounding; None where it is not defined.
    """

    components: Mapping[str, Sum]
    value: Callable[[Sums], Decimal | int | None]

    @property
    def has_currency(self) -> bool:
        """True when it is made of amounts, which are not added across currencies."""
        return any(component.is_amount for component in self.components.values())

    @property
    def rollups(self) -> tuple[Rollup, ...]:
        """What it is summed from, each once."""
        found = (component.rollup for component in self.components.values())
        return tuple(dict.fromkeys(rollup for rollup in found if rollup is not None))

    @property
    def target_of(self) -> str | None:
        """What the targets are for that it is made of; None when it is made of none."""
        targets = (part.measure for part in self.components.values() if part.rollup is None)
        return next(targets, None)

    def rounded(self, sums: Sums) -> Decimal | int | None:
        """The value, rounded half to even to the places of its unit."""
        value = self.value(sums)
        if value is None or self.unit == "count":
            return value
        return Decimal(value).quantize(_PLACES[self.unit])


def count(component: str) -> Callable[[Sums], int]:
    """The sum itself."""
    return lambda sums: sums[component]


def amount(component: str) -> Callable[[Sums], Decimal]:
    """The sum, in units of the currency."""
    return lambda sums: Decimal(sums[component]) / AMOUNT


def ratio(over: str, *under: str, unit: int = 1) -> Callable[[Sums], Decimal | None]:
    """``over`` by the sum of ``under``, by ``unit``; None where that is zero."""

    def value(sums: Sums) -> Decimal | None:
        divisor = sum(sums[component] for component in under) * unit
        return Decimal(sums[over]) / divisor if divisor else None

    return value


def return_on(cost: str, won: str) -> Callable[[Sums], Decimal | None]:
    """(won - cost) / cost; None at no cost."""
    return lambda sums: Decimal(sums[won] - sums[cost]) / sums[cost] if sums[cost] else None


def of(rollup: Rollup | None, *measures: str, **renamed: str) -> dict[str, Sum]:
    """Components that are measures of one rollup, or of the targets for one where it is None."""
    names = {measure: measure for measure in measures} | renamed
    return {component: Sum(rollup, measure) for component, measure in names.items()}


@dataclass(frozen=True, kw_only=True)
class Funnel(Declared):
    """How far the members of a cohort came, step by step.

    :ivar rollup: whose rows count the cohort, by the day the cohort is dated by.
    :ivar steps: (step, title, measure with the number that took it) from first to last; none when
        the steps are the stages of the pipelines.
    """

    rollup: Rollup
    steps: tuple[tuple[str, str, str], ...] = ()
    dimensions: tuple[str, ...] = ()
    unit: Unit = "count"

    @property
    def rollups(self) -> tuple[Rollup, ...]:
        return (self.rollup,)
