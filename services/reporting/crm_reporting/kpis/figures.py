"""A KPI's figures: its formula over the sums for a question."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from crm_chassis.problems import invalid
from crm_reporting.kpis.kpi import Kpi
from crm_reporting.kpis.questions import Question, check
from crm_reporting.kpis.sums import Key, read_sums
from crm_reporting.kpis.targets import read_targets

Sums = dict[str, int]


@dataclass(frozen=True, slots=True)
class Figure:
    """A KPI of one member in one period.

    :ivar start: first day of the period; None where there is none.
    :ivar member: "" for what has none.
    :ivar value: None where the formula is not defined.
    :ivar sums: what the value is made of, by component.
    """

    start: date | None
    member: str
    value: Decimal | int | None
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """The answer to a question about a KPI.

    :ivar currency: of the amounts; None where there are none.
    """

    rows: list[Figure]
    total: Figure
    currency: str | None


def figures(kpi: Kpi, question: Question) -> Figures:
    """Answer a question that :func:`check` lets pass.

    :raises Problem: 422 when amounts are in several currencies and none of them is named, or when
        the KPI cannot be asked in this way; 403 when it would show more than is visible.
    """
    check(kpi, question)
    found = _sums(kpi, question)
    currency = _currency(question, found) if kpi.has_currency else ""
    rows = [
        Figure(key.start, key.member, kpi.rounded(sums), sums)
        for key, sums in found.items()
        if key.currency == currency
    ]
    total = _total(kpi, question, rows, currency)
    return Figures(
        sorted(rows, key=_order), Figure(None, "", kpi.rounded(total), total), currency or None
    )


def _sums(kpi: Kpi, question: Question) -> dict[Key, Sums]:
    """All components by period, member and currency; those that are missing are 0."""
    found: dict[Key, Sums] = {}
    for rollup in kpi.rollups:
        own = {name: part for name, part in kpi.components.items() if part.rollup is rollup}
        part = read_sums(question, rollup, own, by_currency=kpi.has_currency, within=kpi.within)
        _gather(kpi, found, part)
    if kpi.target_of:
        _gather(kpi, found, read_targets(question, kpi.target_of))
    return found


def _gather(kpi: Kpi, found: dict[Key, Sums], part: Mapping[Key, Sums]) -> None:
    for key, sums in part.items():
        found.setdefault(key, dict.fromkeys(kpi.components, 0)).update(sums)


def _currency(question: Question, found: Iterable[Key]) -> str:
    """The currency to answer in; "" when nothing has one."""
    if question.currency is not None:
        return question.currency
    currencies = sorted({key.currency for key in found} - {""})
    if len(currencies) > 1:
        choice = ", ".join(currencies)
        raise invalid(("currency", f"There are amounts in several: name one of {choice}."))
    return currencies[0] if currencies else ""


def _total(kpi: Kpi, question: Question, rows: list[Figure], currency: str) -> Sums:
    total = dict.fromkeys(kpi.components, 0)
    for row in rows:
        for component, amount in row.sums.items():
            total[component] += amount
    if kpi.target_of and question.by == "team" and not question.members:
        # A team and a sub-team may both have a target: the rows' would be counted twice.
        whole = read_targets(question.whole(), kpi.target_of)
        total["target"] = sum(
            sums["target"] for key, sums in whole.items() if key.currency == currency
        )
    return total


def _order(figure: Figure) -> tuple[Any, ...]:
    """By period, what has no date last; then the largest first."""
    value = figure.value
    return (
        figure.start is None,
        figure.start or date.min,
        value is None,
        -value if value is not None else 0,
        figure.member,
    )
