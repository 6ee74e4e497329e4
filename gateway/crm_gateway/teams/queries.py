"""Questions about the tree of teams."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from crm_chassis.problems import not_found
from crm_gateway.teams.models import Team


def team(session: Session, team_id: object) -> Team:
    """:raises Problem: 404."""
    found = session.get(Team, str(team_id))
    if found is None:
        raise not_found("team")
    return found


def root_id(session: Session, *, lock: bool = False) -> str:
    """The team above all others.

    :param lock: let no other transaction move a team until this one ends.
    """
    statement = select(Team.id).where(Team.parent_id.is_(None))
    return session.scalars(statement.with_for_update() if lock else statement).one()


def subtree(team_id: str) -> Select[tuple[str]]:
    """The ids of a team and of every team below it."""
    tree = select(Team.id).where(Team.id == team_id).cte("subtree", recursive=True)
    tree = tree.union(select(Team.id).join(tree, Team.parent_id == tree.c.id))
    return select(tree.c.id)


def ids_by_reference(session: Session, references: Iterable[str]) -> dict[str, str]:
    """Ids of teams by external id or, where that is not one, by name.

    A name that several teams have is left out: it names none for certain.
    """
    wanted = set(references)
    teams = session.execute(
        select(Team.id, Team.name, Team.external_id).where(
            or_(Team.name.in_(wanted), Team.external_id.in_(wanted))
        )
    ).all()
    names = Counter(team.name for team in teams)
    by_name = {team.name: team.id for team in teams if names[team.name] == 1}
    return by_name | {team.external_id: team.id for team in teams if team.external_id}
