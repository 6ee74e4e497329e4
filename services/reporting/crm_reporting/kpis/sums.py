"""The rollups' sums for a question."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, Table, and_, func, null, or_, select, true

from crm_reporting.kpis.kpi import Sum
from crm_reporting.kpis.periods import Span, cover, start_in_sql
from crm_reporting.kpis.questions import Question
from crm_reporting.projections.rollups import UNDATED, Rollup
from crm_reporting.projections.tables import STANDING


class Key(NamedTuple):
    """What a sum is of.

    :ivar start: first day of the period; None where the answer has none, or the fact no date.
    :ivar member: "" for what has none.
    :ivar currency: "" for what has none, or where it does not matter.
    """

    start: date | None
    member: str
    currency: str


def read_sums(
    question: Question,
    rollup: Rollup,
    components: Mapping[str, Sum],
    *,
    by_currency: bool,
    within: str | None = None,
) -> dict[Key, dict[str, int]]:
    """The components' sums by period, member and currency.

    :param within: count only what has a member in this dimension.
    """
    found: dict[Key, dict[str, int]] = {}
    for start, member, currency, *values in question.session.execute(
        _statement(question, rollup, components, by_currency, within)
    ):
        member = question.member_of(member or "")
        if not question.wants(member):
            continue
        key = Key(None if start == UNDATED else start, member, currency or "")
        sums = found.setdefault(key, dict.fromkeys(components, 0))
        for component, value in zip(components, values, strict=True):
            sums[component] += int(value)
    return found


def _statement(
    question: Question,
    rollup: Rollup,
    components: Mapping[str, Sum],
    by_currency: bool,
    within: str | None,
) -> Select[Any]:
    table = STANDING[rollup.name]
    keys: dict[str, ColumnElement[Any]] = {}
    if question.grain is not None:
        dialect = question.session.get_bind().dialect.name
        keys["start"] = start_in_sql(dialect, question.grain, table.c.day)
    if question.by is not None:
        keys["member"] = table.c.team if question.by == "team" else table.c.member
    if by_currency:
        keys["currency"] = table.c.currency
    columns = [keys.get(name, null()).label(f"of_{name}") for name in Key._fields]
    measures = [func.sum(table.c[component.measure]) for component in components.values()]
    return (
        select(*columns, *measures)
        .where(
            table.c.dimension == (within or question.dimension),
            or_(*(_part(table, *part) for part in cover(rollup, question.span, question.grain))),
            question.visibility.condition(table.c.member, table.c.team),
            table.c.member != "" if within else true(),
            table.c.currency == question.currency if question.currency else true(),
        )
        .group_by(*keys.values())
        # Without anything to group by, no rows would still give one row of NULLs.
        .having(func.count() > 0)
    )


def _part(table: Table, grain: str, span: Span) -> ColumnElement[bool]:
    conditions = [table.c.grain == grain]
    if span.bounded:
        conditions.append(table.c.day > UNDATED)
    if span.first is not None:
        conditions.append(table.c.day >= span.first)
    if span.last is not None:
        conditions.append(table.c.day <= span.last)
    return and_(*conditions)
