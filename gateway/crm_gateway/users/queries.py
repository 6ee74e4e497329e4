"""Questions about users."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal, forbidden
from crm_chassis.problems import not_found
from crm_gateway.teams.queries import subtree
from crm_gateway.users.models import User

READ = "identity.users.read"


def visible_users(principal: Principal) -> Select[tuple[User]]:
    """The users that a principal may read of."""
    return select(User).where(_in_scope(principal))


def _in_scope(principal: Principal) -> ColumnElement[bool]:
    scope = principal.scope_of(READ)
    if scope is None:
        raise forbidden(READ)
    if scope == "all":
        return true()
    own = User.id == principal.id
    if scope == "own" or principal.team_id is None:
        return own
    if scope == "team":
        return or_(own, User.team_id == principal.team_id)
    return or_(own, User.team_id.in_(subtree(principal.team_id)))


def user(session: Session, principal: Principal, user_id: object) -> User:
    """:raises Problem: 404 when there is no such user, or none that ``principal`` may read of."""
    found = session.scalars(visible_users(principal).where(User.id == str(user_id))).one_or_none()
    if found is None:
        raise not_found("user")
    return found


def user_by_email(session: Session, email: str) -> User | None:
    return session.scalars(select(User).where(User.email == email.lower())).one_or_none()
