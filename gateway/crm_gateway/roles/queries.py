"""Questions about roles."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.problems import invalid, not_found
from crm_gateway.roles.models import Role


def role(session: Session, role_id: object) -> Role:
    """:raises Problem: 404."""
    found = session.get(Role, str(role_id))
    if found is None:
        raise not_found("role")
    return found


def roles_named(session: Session, names: Collection[str]) -> list[Role]:
    """The roles of these names, in the order of names.

    :raises Problem: 422 naming those that do not exist.
    """
    found = list(session.scalars(select(Role).where(Role.name.in_(names)).order_by(Role.name)))
    missing = sorted(set(names) - {role.name for role in found})
    if missing:
        raise invalid(*(("roles", f"No role {name}.") for name in missing))
    return found
