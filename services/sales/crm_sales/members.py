"""Whom a permission reaches: the people and the teams that have targets and stand on boards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, false, or_, select, true
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import Principal, forbidden

PERSON, TEAM = "person", "team"


def people_reached(principal: Principal, permission: str, person: Any) -> ColumnElement[bool]:
    """The condition on the id of a person.

    :raises Problem: 403 when the permission is not granted at all.
    """
    scope = _scope(principal, permission)
    if scope == "all":
        return true()
    me = person == principal.id
    if scope == "own" or principal.team_id is None:
        return me
    users = directory.users.c
    colleagues = select(users.id).where(_of_team(principal.team_id, scope, users.team_id))
    return or_(me, person.in_(colleagues))


def teams_reached(principal: Principal, permission: str, team: Any) -> ColumnElement[bool]:
    """The condition on the id of a team; who reaches only their own reaches no team.

    :raises Problem: 403 when the permission is not granted at all.
    """
    scope = _scope(principal, permission)
    if scope == "all":
        return true()
    if scope == "own" or principal.team_id is None:
        return false()
    return _of_team(principal.team_id, scope, team)


def members_reached(
    principal: Principal, permission: str, scope: Any, member: Any
) -> ColumnElement[bool]:
    """The condition on the id of a person or a team, after what ``scope`` says it is of."""
    people = people_reached(principal, permission, member)
    teams = teams_reached(principal, permission, member)
    return or_(and_(scope == PERSON, people), and_(scope == TEAM, teams))


def names(session: Session, scope: str, ids: Iterable[str]) -> dict[str, str]:
    """What people or teams are called, as far as the directory knows."""
    table = (directory.users if scope == PERSON else directory.teams).c
    known: Select[Any] = select(table.id, table.name).where(table.id.in_(sorted(set(ids))))
    return dict(session.execute(known).tuples().all())


def _scope(principal: Principal, permission: str) -> str:
    scope = principal.scope_of(permission)
    if scope is None:
        raise forbidden(permission)
    return scope


def _of_team(own: str, scope: str, team: Any) -> ColumnElement[bool]:
    condition: ColumnElement[bool] = (
        team == own if scope == "team" else team.in_(directory.subtree(own))
    )
    return condition
