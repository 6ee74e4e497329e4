"""What moved in a team in a week."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select
from sqlalchemy.orm import Session, contains_eager, lazyload, load_only

from crm_chassis import directory
from crm_chassis.auth import Principal, visible
from crm_chassis.calendar import start_of
from crm_chassis.database import utc_now
from crm_chassis.problems import not_found
from crm_sales.boards.swings import CAUSES, GAINS, LOSSES, kinds, swings
from crm_sales.members import PERSON, TEAM, names, teams_reached
from crm_sales.opportunities.models import Opportunity
from crm_sales.opportunities.moves import DealMove
from crm_sales.tasks.models import Task

_WEEK = timedelta(days=7)
_COMPARED = [column for column in DealMove.__table__.c if column.name.startswith(("from_", "to_"))]

Sums = dict[str, dict[str, Decimal]]
"""Currency to cause to amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Week:
    """A team's week.

    :ivar teams: the ids of the team and of those that are looked at together with it.
    :ivar first: the Monday; :ivar start: when it begins, :ivar end: when the week is over.
    """

    team_id: str
    teams: frozenset[str]
    first: date
    start: datetime
    end: datetime

    @property
    def last(self) -> date:
        return self.first + _WEEK - timedelta(days=1)

    @property
    def moves(self) -> ColumnElement[bool]:
        """The moves of the week into these teams, within them and out of them."""
        return and_(
            DealMove.moved_at >= self.start,
            DealMove.moved_at < self.end,
            or_(DealMove.from_team_id.in_(self.teams), DealMove.to_team_id.in_(self.teams)),
        )


def week_of(
    session: Session,
    principal: Principal,
    permission: str,
    team_id: str,
    first: date,
    *,
    below: bool,
) -> Week:
    """The week of a team that the permission reaches.

    :param below: with the teams below it that the permission reaches.
    :raises Problem: 404 for a team that is not known, or not reached.
    """
    teams = directory.teams.c
    wanted = teams.id.in_(directory.subtree(team_id)) if below else teams.id == team_id
    reached = teams_reached(principal, permission, teams.id)
    found = frozenset(session.scalars(select(teams.id).where(wanted, reached)))
    if team_id not in found:
        raise not_found("team")
    return Week(
        team_id=team_id,
        teams=found,
        first=first,
        start=start_of(session, first),
        end=start_of(session, first + _WEEK),
    )


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the open pipeline was worth in one currency, before the week and after it, and why.

    :ivar causes: each of :data:`~crm_sales.boards.swings.CAUSES`.
    """

    currency: str
    closing: Decimal
    causes: Mapping[str, Decimal]

    @property
    def opening(self) -> Decimal:
        gained = sum((self.causes[cause] for cause in GAINS), Decimal(0))
        went = sum((self.causes[cause] for cause in LOSSES), Decimal(0))
        return self.closing - gained + went


@dataclass(slots=True)
class Person:
    """Somebody's part in the week.

    :ivar member_id: None for what is nobody's.
    :ivar moves: how many there are of each kind.
    :ivar tasks_overdue: open ones that were due before the end of the week.
    """

    member_id: str | None
    name: str | None = None
    moves: Counter[str] = field(default_factory=Counter)
    amounts: Sums = field(default_factory=dict)
    tasks_done: int = 0
    tasks_overdue: int = 0


@dataclass(frozen=True, slots=True)
class TeamBoard:
    """A team's week: a pipeline for each currency, and everybody's part."""

    week: Week
    name: str | None
    pipelines: list[Pipeline]
    people: list[Person]


def team_board(session: Session, week: Week) -> TeamBoard:
    """What moved in a week, by the time at which it was recorded."""
    people: dict[str | None, Person] = {}
    causes: Sums = {}
    for move in session.execute(select(*_COMPARED).where(week.moves)):
        _add_move(move, week, people, causes)
    _add_tasks(session, week, people)
    _name(session, people)
    closing = _closing(session, week)
    pipelines = [
        Pipeline(currency, closing.get(currency, Decimal(0)), causes.get(currency) or _no_causes())
        for currency in sorted(closing.keys() | causes.keys())
    ]
    team = names(session, TEAM, [week.team_id]).get(week.team_id)
    by_name = sorted(
        people.values(), key=lambda person: (person.name or "", person.member_id or "")
    )
    return TeamBoard(week, team, pipelines, by_name)


def _add_move(move: Any, week: Week, people: dict[str | None, Person], causes: Sums) -> None:
    for swing in swings(move, week.teams):
        person = people.setdefault(swing.owner_id, Person(swing.owner_id))
        for sums in (causes, person.amounts):
            sums.setdefault(swing.currency, _no_causes())[swing.cause] += swing.amount
    if move.to_team_id in week.teams and (of := kinds(move)):
        person = people.setdefault(move.to_owner_id, Person(move.to_owner_id))
        person.moves.update(of)


def _no_causes() -> dict[str, Decimal]:
    return dict.fromkeys(CAUSES, Decimal(0))


def _add_tasks(session: Session, week: Week, people: dict[str | None, Person]) -> None:
    of_teams = select(Task.owner_id, func.count()).where(Task.team_id.in_(week.teams))
    done = of_teams.where(
        Task.status == "done", Task.completed_at >= week.start, Task.completed_at < week.end
    )
    overdue = of_teams.where(Task.status == "open", Task.due_at < min(week.end, utc_now()))
    for owner, count in session.execute(done.group_by(Task.owner_id)):
        people.setdefault(owner, Person(owner)).tasks_done = count
    for owner, count in session.execute(overdue.group_by(Task.owner_id)):
        people.setdefault(owner, Person(owner)).tasks_overdue = count


def _name(session: Session, people: Mapping[str | None, Person]) -> None:
    called = names(session, PERSON, filter(None, people))
    for person in people.values():
        person.name = called.get(person.member_id or "")


def _closing(session: Session, week: Week) -> dict[str, Decimal]:
    """The open pipeline at the week's end: what it is now, less what came since, and what went."""
    opened = select(Opportunity.currency, func.sum(Opportunity.amount)).where(
        Opportunity.stage_type == "open", Opportunity.team_id.in_(week.teams)
    )
    now = session.execute(opened.group_by(Opportunity.currency)).tuples().all()
    closing: dict[str, Decimal] = defaultdict(Decimal, dict(now))
    if week.end > utc_now():
        return closing
    for currency, came in session.execute(_flow("to", week)):
        closing[currency] -= came
    for currency, went in session.execute(_flow("from", week)):
        closing[currency] += went
    return closing


def _flow(side: str, week: Week) -> Select[Any]:
    """What moves since the week's end brought into the open pipeline, or took ``from`` it."""
    move = DealMove.__table__.c
    currency = move[f"{side}_currency"]
    return (
        select(currency, func.sum(move[f"{side}_amount"]))
        .where(
            move[f"{side}_team_id"].in_(week.teams),
            move.moved_at >= week.end,
            move[f"{side}_stage_type"] == "open",
        )
        .group_by(currency)
    )


def visible_moves(week: Week, permission: str) -> Select[tuple[DealMove]]:
    """The moves of the week, of the deals that the current principal may see.

    :param permission: that to read the deals.
    """
    deal = contains_eager(DealMove.opportunity).options(
        load_only(Opportunity.id, Opportunity.name),
        lazyload(Opportunity.line_items),
        lazyload(Opportunity.competitors),
    )
    moves = select(DealMove).join(DealMove.opportunity).options(deal).where(week.moves)
    return visible(moves, Opportunity, permission)
