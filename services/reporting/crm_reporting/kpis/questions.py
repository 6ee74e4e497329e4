"""What is asked of a KPI, by whom, and what of it they may see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, or_, select, true
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal, current_principal
from crm_chassis.problems import Problem, invalid
from crm_reporting.kpis.kpi import Declared
from crm_reporting.kpis.periods import Span, whole_months
from crm_reporting.kpis.teams import Teams
from crm_reporting.projections.rollups import ALL, PERSON
from crm_reporting.projections.tables import STANDING

PERMISSION = "reporting.kpis.read"
_OWNED = (None, "person", "team")
_IDS = ("person", "team", "product", "account", "campaign")

Column = ColumnElement[str]


@dataclass(frozen=True, slots=True)
class Visibility:
    """Whose figures a principal sees.

    :ivar teams: None when it is everybody's; else those of these teams and of the person.
    """

    person: str
    teams: frozenset[str] | None

    def condition(self, person: Column, team: Column) -> ColumnElement[bool]:
        """The condition on rows with a person and a team."""
        if self.teams is None:
            return true()
        return or_(person == self.person, team.in_(self.teams))


def visibility(principal: Principal, teams: Teams) -> Visibility:
    """What ``principal``, who may read KPIs, sees of them."""
    scope = principal.scope_of(PERMISSION)
    if scope == "all":
        return Visibility(principal.id, None)
    if scope == "own" or principal.team_id is None:
        return Visibility(principal.id, frozenset())
    if scope == "team":
        return Visibility(principal.id, frozenset({principal.team_id}))
    return Visibility(principal.id, frozenset(teams.below(principal.team_id)))


@dataclass(frozen=True, kw_only=True)
class Question:
    """A KPI or funnel, divided.

    :ivar grain: the length of the periods; None to answer for ``span`` as a whole.
    :ivar by: the dimension, None to answer for all.
    :ivar level: with ``by`` team, the depth of the teams that those below are counted for.
    :ivar members: only these members of ``by``; ``""`` is what has none. All when empty.
    :ivar currency: of amounts; None for the only one there is.
    """

    session: Session
    teams: Teams
    visibility: Visibility
    span: Span = field(default_factory=Span)
    grain: str | None = None
    by: str | None = None
    level: int | None = None
    members: Sequence[str] = ()
    currency: str | None = None
    undated: bool = False

    def divided(self, by: str | None) -> Question:
        """The same, divided by a dimension."""
        return replace(self, by=by)

    def whole(self) -> Question:
        """The same, not divided by anything but periods."""
        return replace(self, by=None, level=None, members=())

    @property
    def restricted(self) -> bool:
        """True when the principal does not see everybody's figures."""
        return self.visibility.teams is not None

    @property
    def dimension(self) -> str:
        """The dimension of the rollups whose rows answer."""
        if self.by in ("person", "team") or (self.by is None and self.restricted):
            return PERSON
        return "product" if self.by == "series" else self.by or ALL

    @cached_property
    def member_of(self) -> Callable[[str], str]:
        """Gives the member of ``by`` for a member of the rows."""
        if self.by == "team" and self.level is not None:
            level = self.level
            return lambda team: self.teams.at_level(team, level) if team else ""
        if self.by == "series":
            series = self._series
            return lambda product: series.get(product) or ""
        return lambda member: member

    @cached_property
    def _series(self) -> dict[str, str | None]:
        products = STANDING["products"].c
        return dict(self.session.execute(select(products.id, products.series)).tuples().all())

    def wants(self, member: str) -> bool:
        """True when the figures of this member are asked for."""
        return not self.members or member in self.members


def question_of(session: Session, asked: Declared, query: dict[str, Any]) -> Question:
    """The query of the current principal."""
    teams = Teams.load(session)
    question = Question(
        session=session,
        teams=teams,
        visibility=visibility(current_principal(), teams),
        span=Span(query.get("first"), query.get("last")),
        grain=query.get("grain"),
        by=query.get("by"),
        level=query.get("level"),
        members=query.get("members", ()),
        currency=query.get("currency"),
        undated=query.get("undated", False),
    )
    if question.by is None and not question.restricted:
        return question.divided(asked.default_by)
    return question


def check(asked: Declared, question: Question) -> None:
    """Refuse a question that has no answer.

    :raises Problem: 422 naming the parameter that does not apply; 403 for a division that would
        show figures of others than the principal's own.
    """
    errors = []
    if question.by is not None and question.by not in asked.dimensions:
        choice = ", ".join(asked.dimensions) or "none"
        errors.append(("by", f"{asked.name} is not divided by {question.by}. It is by: {choice}."))
    if question.level is not None and question.by != "team":
        errors.append(("level", "Only together with by=team."))
    if question.currency is not None and not _has_currency(asked):
        errors.append(("currency", f"{asked.name} is not in a currency."))
    if question.members and question.by is None:
        errors.append(("member", "Only together with by."))
    if question.by in _IDS and not all(_is_id(member) for member in question.members if member):
        errors.append(("member", "Not an id."))
    first, last = question.span.first, question.span.last
    if first is not None and last is not None and first > last:
        errors.append(("to", "Is before from."))
    errors += _check_grain(asked, question)
    if errors:
        raise invalid(*errors)
    if question.restricted and (question.by not in _OWNED or not {*_OWNED} & {*asked.dimensions}):
        raise Problem(403, "forbidden", f"This needs {PERMISSION} with scope all.")


def _has_currency(asked: Declared) -> bool:
    """True when facts of it are in a currency, even if it is a count of them."""
    return asked.has_currency or any(
        "currency" in STANDING[rollup.of].c for rollup in asked.rollups
    )


def _check_grain(asked: Declared, question: Question) -> list[tuple[str, str]]:
    errors = []
    if question.grain is not None and question.grain not in asked.grains:
        errors.append(("grain", f"{asked.name} may be by {', '.join(asked.grains)}."))
    if asked.kept_by_month:
        months = whole_months(question.span)
        if months.first != question.span.first:
            errors.append(("from", f"{asked.name} is kept by month: give the first day of one."))
        if months.last != question.span.last:
            errors.append(("to", f"{asked.name} is kept by month: give the last day of one."))
    return errors


def _is_id(text: str) -> bool:
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
