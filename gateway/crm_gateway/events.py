"""What the gateway publishes: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_gateway.teams.models import Team
from crm_gateway.users.models import User


def team_state(team: Team) -> dict[str, Any]:
    return {
        "id": team.id,
        "external_id": team.external_id,
        "name": team.name,
        "parent_id": team.parent_id,
    }


def team_created(session: Session, team: Team) -> None:
    record(session, "crm.gateway.team.created.v1", team, team_state)


def team_changed(session: Session, team: Team) -> None:
    record(session, "crm.gateway.team.changed.v1", team, team_state)


def user_state(user: User) -> dict[str, Any]:
    return {
        "id": user.id,
        "external_id": user.external_id,
        "name": user.name,
        "email": user.email,
        "team_id": user.team_id,
        "active": user.active,
        "roles": user.roles,
    }


def user_created(session: Session, user: User) -> None:
    record(session, "crm.gateway.user.created.v1", user, user_state)


def user_changed(session: Session, user: User) -> None:
    record(session, "crm.gateway.user.changed.v1", user, user_state)
