"""Conditions on the rows of a state table, for the facts behind a figure."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Uuid, and_, or_, select, true

from crm_chassis.problems import invalid
from crm_reporting.kpis.definitions import STAGE_FUNNEL
from crm_reporting.kpis.kpi import Funnel
from crm_reporting.kpis.pipelines import passed_stages, stage_reached
from crm_reporting.kpis.questions import Question
from crm_reporting.projections.rollups import ACCOUNT_ATTRIBUTES, Rollup
from crm_reporting.projections.tables import STANDING

Condition = ColumnElement[bool]


def conditions(question: Question, rollup: Rollup, within: str | None = None) -> Condition:
    """The rows of ``rollup.of`` that are summed for a question."""
    table = STANDING[rollup.of]
    parts: list[Condition] = [table.c[column].in_(values) for column, values in rollup.only.items()]
    if "sequence" in table.c:
        parts.append(table.c.sequence > 0)
    parts.append(_on_days(question, rollup))
    parts.append(question.visibility.condition(table.c[rollup.person], table.c.team_id))
    if question.members:
        parts.append(or_(*(_of_member(question, rollup, member) for member in question.members)))
    if within is not None:
        parts.append(table.c[rollup.dimensions[within]].is_not(None))
    return and_(*parts)


def _on_days(question: Question, rollup: Rollup) -> Condition:
    day = STANDING[rollup.of].c[rollup.day]
    if question.undated:
        return day.is_(None)
    parts: list[Condition] = [day.is_not(None)] if rollup.dated_only else []
    if question.span.first is not None:
        parts.append(day >= question.span.first)
    if question.span.last is not None:
        parts.append(day <= question.span.last)
    return and_(true(), *parts)


def _of_member(question: Question, rollup: Rollup, member: str) -> Condition:
    table = STANDING[rollup.of]
    if question.by == "team":
        return _of_team(question, table.c.team_id, member)
    if question.by == "series":
        return _of_series(table.c.product_id, member)
    if question.by == "person":
        return _equals(table.c[rollup.person], member)
    if rollup.through_account and question.by in ACCOUNT_ATTRIBUTES:
        return _equals(STANDING["accounts"].c[question.by], member)
    return _equals(table.c[rollup.dimensions[question.by or ""]], member)


def _equals(column: ColumnElement[Any], member: str) -> Condition:
    if member:
        return column == member
    return column.is_(None) if isinstance(column.type, Uuid) else column.is_(None) | (column == "")


def _of_team(question: Question, team: ColumnElement[Any], member: str) -> Condition:
    if not member or question.level is None:
        return _equals(team, member)
    below = question.teams.below(member)
    return team.in_([other for other in below if question.member_of(other) == member])


def _of_series(product: ColumnElement[Any], member: str) -> Condition:
    products = STANDING["products"].c
    if member:
        return product.in_(select(products.id).where(products.series == member))
    in_a_series = select(products.id).where(products.series.is_not(None), products.series != "")
    return product.is_(None) | product.not_in(in_a_series)


def steps_taken(asked: Funnel, question: Question, step: str) -> Condition:
    """The rows that took a step of a funnel.

    :raises Problem: 422 when it has no such step.
    """
    table = STANDING[asked.rollup.of]
    if asked is STAGE_FUNNEL:
        return _came_to(question, step)
    for number, (id_, _title, _measure) in enumerate(asked.steps, start=1):
        if id_ == step:
            return table.c.step >= number
    choice = ", ".join(id_ for id_, _, _ in asked.steps)
    raise invalid(("step", f"Must be one of {choice}."))


def _came_to(question: Question, step: str) -> Condition:
    pipeline, _, wanted = step.rpartition("/")
    stages = passed_stages(question.session).get(pipeline, [])
    places = {stage: order for order, stage in stages}
    if wanted not in places:
        raise invalid(("step", "Must be a stage that the funnel has, as pipeline/stage."))
    # Every deal of the pipeline has come to its first stage.
    least = places[wanted] if wanted != stages[0][1] else 0
    furthest = STANDING["opportunities"].c.furthest_stage
    told = STANDING[STAGE_FUNNEL.rollup.name].c
    known = question.session.scalars(
        select(told.member)
        .where(told.dimension == "furthest_stage", told.member.startswith(f"{pipeline}/"))
        .distinct()
    )
    return furthest.in_([each for each in known if stage_reached(each, places) >= least])
