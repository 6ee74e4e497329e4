"""What can be done with users."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.database import utc_now
from crm_chassis.imports import Row, upsert
from crm_chassis.operations.administration import record_act
from crm_chassis.problems import conflict, invalid
from crm_gateway import events
from crm_gateway.authority import require_no_more
from crm_gateway.roles.models import Role
from crm_gateway.roles.queries import roles_named
from crm_gateway.sign_in.commands import end_sessions
from crm_gateway.sign_in.passwords import hash_password
from crm_gateway.teams.models import Team
from crm_gateway.users.models import User


def create(session: Session, principal: Principal, values: dict[str, Any]) -> User:
    """Add a user, who cannot sign in before a password is set.

    :raises Problem: 403 for a role beyond ``principal``'s own rights; 409 when the e-mail address
        is taken; 422 for a team or role that does not exist.
    """
    fields = {name: value for name, value in values.items() if name != "roles"}
    user = User(**fields, assigned=_grantable(session, principal, values.get("roles", [])))
    _check(session, user, values)
    session.add(user)
    events.user_created(session, user)
    return user


def change(session: Session, principal: Principal, user: User, changes: dict[str, Any]) -> bool:
    """Change the given fields.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: as :func:`create`; and 403 for a user with more rights than ``principal``.
    """
    fields = {name: value for name, value in changes.items() if name != "roles"}
    roles: list[str] = changes.get("roles", user.roles)
    same_roles = set(roles) == set(user.roles)
    if same_roles and all(getattr(user, name) == value for name, value in fields.items()):
        return False
    require_no_more(principal, user.grants)
    _check(session, user, fields)
    change_fields(user, fields)
    if not same_roles:
        user.assigned = _grantable(session, principal, roles)
        user.updated_at = utc_now()
    if not user.active:
        end_sessions(session, user.id)
    events.user_changed(session, user)
    return True


def set_password(session: Session, user: User, password: str) -> None:
    """Give a user a password, and end every session of theirs."""
    user.password_hash = hash_password(password)
    end_sessions(session, user.id)


def _grantable(session: Session, principal: Principal, names: Sequence[str]) -> list[Role]:
    roles = roles_named(session, names)
    for role in roles:
        require_no_more(principal, role.grants)
    return roles


def _check(session: Session, user: User, values: dict[str, Any]) -> None:
    team_id, email = values.get("team_id"), values.get("email")
    if team_id is not None and session.get(Team, team_id) is None:
        raise invalid(("team_id", "No such team."))
    taken = exists().where(User.email == email, User.id != user.id)
    if email is not None and session.scalar(select(taken)):
        raise conflict("Another user has this e-mail address.")


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert users by ``external_id``, ``email`` or ``name``."""
    named = (row.values.get("team", "") for row in rows)
    teams = directory.find(session, Team.__table__, named)
    for row in rows:
        if team := row.values.pop("team", None):
            if team in teams:
                row.values["team_id"] = teams[team]
            else:
                row.refuse("team", "No such team, or several of this name.")
        if role := row.values.pop("role", None):
            row.values["roles"] = [role]
    record_act(session, "user.import", detail={"rows": len(rows)})
    upsert(
        session,
        User,
        key,
        rows,
        create=lambda session, values: create(session, principal, values),
        change=lambda session, user, values: change(session, principal, user, values),
    )
