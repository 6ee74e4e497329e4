"""The targets that stand for a question's members.

A target is set for the company, a team or a person and a month, in sales or in receipts. A team
without one of its own has the sum of its sub-teams' and its people's; the company without one has
the sum of its top teams' and of what is set for people without a team.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Row, select

from crm_chassis import directory
from crm_reporting.kpis.periods import start_of
from crm_reporting.kpis.questions import Question
from crm_reporting.kpis.sums import Key
from crm_reporting.projections.tables import STANDING


class Standing(NamedTuple):
    """A target that counts for a member of the answer."""

    member: str
    target: Row[Any]


def standing(question: Question, measure: str) -> list[Standing]:
    """The targets behind each member of the answer; one may stand behind several teams.

    :param measure: what they are for: sales or receipts.
    """
    found = []
    for plan in _plans(question, measure).values():
        if question.by == "person":
            pairs = plan.of_people(question)
        elif question.by == "team":
            pairs = plan.of_teams(question)
        else:
            pairs = (("", target) for target in plan.of_all(question))
        found += [Standing(member, target) for member, target in pairs if question.wants(member)]
    return found


def read_targets(question: Question, measure: str) -> dict[Key, dict[str, int]]:
    """Target amounts by period, member and currency, as component ``target``."""
    found: dict[Key, dict[str, int]] = defaultdict(lambda: {"target": 0})
    for member, target in standing(question, measure):
        start = start_of(question.grain, target.month) if question.grain else None
        found[Key(start, member, target.currency or "")]["target"] += target.amount or 0
    return dict(found)


class _Plan:
    """The targets of one month and currency."""

    def __init__(self, question: Question, team_of: dict[str, str | None]) -> None:
        self._teams = question.teams
        self._team_of = team_of
        self._of_company: Row[Any] | None = None
        self._of_team: dict[str, Row[Any]] = {}
        self._of_person: dict[str, Row[Any]] = {}
        self._people: dict[str | None, list[str]] = defaultdict(list)

    def add(self, target: Row[Any]) -> None:
        if target.scope == "company":
            self._of_company = target
        elif target.scope == "team":
            self._of_team[target.member_id] = target
        else:
            self._of_person[target.member_id] = target
            self._people[self._team_of.get(target.member_id)].append(target.member_id)

    def of_people(self, question: Question) -> Iterator[tuple[str, Row[Any]]]:
        seen = question.visibility
        for person, target in self._of_person.items():
            team = self._team_of.get(person)
            if seen.teams is None or person == seen.person or team in seen.teams:
                yield person, target

    def of_teams(self, question: Question) -> Iterator[tuple[str, Row[Any]]]:
        seen = question.visibility.teams
        if seen is not None and not seen:  # of all teams they see themselves alone
            for target in self.of_all(question):
                team = self._team_of.get(target.member_id)
                yield question.member_of(team or ""), target
            return
        known = {team for team in (*self._of_team, *self._people) if team is not None}
        above = {ancestor for team in known for ancestor in self._teams.path(team)}
        for team in sorted(above if question.level is not None else known):
            if seen is not None and team not in seen:
                continue
            for target in self._of_one_team(team, question.level, seen):
                yield team, target

    def _of_one_team(
        self, team: str, level: int | None, within: frozenset[str] | None
    ) -> list[Row[Any]]:
        """The targets for what is counted for ``team`` when teams are divided at ``level``."""
        depth = self._teams.depth(team)
        if level is None:
            own = self._of_team.get(team)
            return [own] if own is not None else self._of_its_people(team)
        if depth == level:
            return self._resolved(team, within)
        return self._of_its_people(team) if depth < level else []

    def of_all(self, question: Question) -> list[Row[Any]]:
        seen = question.visibility
        if seen.teams is None and self._of_company is not None:
            return [self._of_company]
        if seen.teams is None:
            tops = self._teams.top(self._of_team | dict.fromkeys(filter(None, self._people)))
            found = [target for team in tops for target in self._resolved(team)]
            return found + self._of_its_people(None)
        tops = [team for team in seen.teams if not set(self._teams.path(team)[:-1]) & seen.teams]
        found = [target for team in sorted(tops) for target in self._resolved(team, seen.teams)]
        if not found and seen.person in self._of_person:
            return [self._of_person[seen.person]]
        return found

    def _resolved(self, team: str, within: frozenset[str] | None = None) -> list[Row[Any]]:
        if team in self._of_team:
            return [self._of_team[team]]
        children = [c for c in self._teams.children(team) if within is None or c in within]
        found = [target for child in children for target in self._resolved(child, within)]
        return found + self._of_its_people(team)

    def _of_its_people(self, team: str | None) -> list[Row[Any]]:
        return [self._of_person[person] for person in self._people.get(team, ())]


def _plans(question: Question, measure: str) -> dict[tuple[date, str | None], _Plan]:
    table = STANDING["targets"]
    statement = select(table).where(table.c.sequence > 0, table.c.measure == measure)
    statement = statement.order_by(table.c.month, table.c.id)
    if question.span.first is not None:
        statement = statement.where(table.c.month >= question.span.first.replace(day=1))
    if question.span.last is not None:
        statement = statement.where(table.c.month <= question.span.last)
    targets = question.session.execute(statement).all()
    people = {target.member_id for target in targets if target.scope == "person"}
    users = directory.users.c
    team_of: dict[str, str | None] = dict(
        question.session.execute(select(users.id, users.team_id).where(users.id.in_(people)))
        .tuples()
        .all()
    )
    plans: dict[tuple[date, str | None], _Plan] = {}
    for target in targets:
        key = (target.month, target.currency)
        plans.setdefault(key, _Plan(question, team_of)).add(target)
    return plans
