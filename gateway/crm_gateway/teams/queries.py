"""Questions about the tree of teams."""

from __future__ import annotations

from sqlalchemy import select
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
