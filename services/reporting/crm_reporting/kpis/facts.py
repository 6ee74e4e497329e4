"""The facts behind a figure: the rows that were summed, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, Table, select

from crm_chassis.paging import Page, decode_cursor, encode_cursor
from crm_reporting.kpis.kpi import Funnel, Kpi, Sum
from crm_reporting.kpis.narrowing import conditions, steps_taken
from crm_reporting.kpis.questions import Question, check
from crm_reporting.kpis.targets import standing
from crm_reporting.projections.rollups import Rollup, Row
from crm_reporting.projections.tables import STANDING

TARGETS = "targets"


@dataclass(frozen=True, slots=True)
class Fact:
    """One row behind a figure.

    :ivar kind: the table it is a row of: opportunities, leads, stage_moves, targets, ...
    :ivar sums: what it adds to each component of the KPI.
    """

    kind: str
    id: str
    name: str | None
    day: date | None
    currency: str | None
    sums: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows of one rollup's table that add to some components."""

    rollup: Rollup
    components: Mapping[str, Sum]
    condition: ColumnElement[bool]


def facts(kpi: Kpi, question: Question, limit: int, cursor: str | None) -> Page[Fact]:
    """The facts behind the total of what the question's figures would be.

    :param cursor: of an earlier page; None for the first.
    :raises Problem: as :func:`~crm_reporting.kpis.questions.check` says; 422 for a wrong cursor.
    """
    check(kpi, question)
    sources = []
    for rollup in kpi.rollups:
        own = {name: part for name, part in kpi.components.items() if part.rollup is rollup}
        sources.append(_Source(rollup, own, conditions(question, rollup, kpi.within)))
    return _page(question, sources, limit, cursor, kpi.target_of)


def funnel_facts(
    asked: Funnel, question: Question, step: str, limit: int, cursor: str | None
) -> Page[Fact]:
    """The members of a cohort that took a step.

    :raises Problem: as :func:`facts`; 422 for a step that the funnel does not have.
    """
    check(asked, question)
    measure = asked.rollup.measures[0]
    condition = conditions(question, asked.rollup) & steps_taken(asked, question, step)
    source = _Source(asked.rollup, {measure: Sum(asked.rollup, measure)}, condition)
    return _page(question, [source], limit, cursor, None)


def _page(
    question: Question,
    sources: Sequence[_Source],
    limit: int,
    cursor: str | None,
    target_of: str | None,
) -> Page[Fact]:
    parts = len(sources) + (target_of is not None)
    place, after = _decode(cursor, parts) if cursor else (0, None)
    items: list[tuple[int, Fact]] = []
    for number in range(place, parts):
        found = (
            _of_source(question, sources[number], after, limit + 1)
            if number < len(sources)
            else _of_targets(question, target_of or "", after)
        )
        for fact in found:
            items.append((number, fact))
            if len(items) > limit:
                last_number, last = items[limit - 1]
                return Page(
                    [fact for _, fact in items[:limit]], encode_cursor(last_number, last.id)
                )
        after = None
    return Page([fact for _, fact in items], None)


def _of_source(
    question: Question, source: _Source, after: str | None, chunk: int
) -> Iterator[Fact]:
    """What adds something, in the order of the ids."""
    table = STANDING[source.rollup.of]
    statement = _statement(question, table, source).limit(chunk)
    while True:
        later = statement if after is None else statement.where(table.c.id > after)
        rows = question.session.execute(later).mappings().all()
        for row in rows:
            fact = _fact(source, dict(row))
            if any(fact.sums.values()):
                yield fact
        if len(rows) < chunk:
            return
        after = rows[-1]["id"]


def _statement(question: Question, table: Table, source: _Source) -> Select[Any]:
    statement = select(table)
    if source.rollup.through_account:
        accounts = STANDING["accounts"]
        statement = statement.outerjoin(accounts, accounts.c.id == table.c.account_id)
    if question.currency is not None and "currency" in table.c:
        statement = statement.where(table.c.currency == question.currency)
    return statement.where(source.condition).order_by(table.c.id)


def _fact(source: _Source, row: Row) -> Fact:
    rollup = source.rollup
    shares = dict(zip(rollup.measures, rollup.share(row) or (), strict=False))
    sums = {name: shares.get(part.measure, 0) for name, part in source.components.items()}
    return Fact(rollup.of, row["id"], _name(row), row[rollup.day], row.get("currency"), sums)


def _name(row: Row) -> str | None:
    """What a person calls the row."""
    if "from_stage" in row:
        return f"{row['from_stage']} -> {row['to_stage']}"
    if "from_status" in row:
        return f"{row['from_status']} -> {row['to_status']}"
    return next((row[column] for column in ("name", "company", "number") if column in row), None)


def _of_targets(question: Question, measure: str, after: str | None) -> Iterator[Fact]:
    found = {found.target.id: found.target for found in standing(question, measure)}
    for id_, target in sorted(found.items()):
        if after is not None and id_ <= after:
            continue
        if question.currency in (None, target.currency):
            sums = {"target": target.amount or 0}
            yield Fact(TARGETS, id_, target.scope, target.month, target.currency, sums)


def _decode(cursor: str, sources: int) -> tuple[int, str]:
    def read(source: int, id_: str) -> tuple[int, str]:
        if source not in range(sources):
            raise ValueError(source)
        return source, str(UUID(id_))

    return decode_cursor(cursor, read)
