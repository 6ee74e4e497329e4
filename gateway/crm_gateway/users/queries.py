"""Questions about users."""

from __future__ import annotations

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal, rows_in_scope
from crm_chassis.problems import not_found
from crm_gateway.teams.models import Team
from crm_gateway.users.models import User

READ = "identity.users.read"


def visible_users(principal: Principal) -> Select[tuple[User]]:
    """The users that a principal may read of."""
    return select(User).where(rows_in_scope(principal, READ, User.id, User.team_id, Team.__table__))


def user(session: Session, principal: Principal, user_id: object) -> User:
    """:raises Problem: 404 when there is no such user, or none that ``principal`` may read of."""
    found = session.scalars(visible_users(principal).where(User.id == str(user_id))).one_or_none()
    if found is None:
        raise not_found("user")
    return found


def user_by_email(session: Session, email: str) -> User | None:
    return session.scalars(select(User).where(User.email == email.lower())).one_or_none()
