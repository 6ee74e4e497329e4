"""What can be done with roles."""

from __future__ import annotations

from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.problems import conflict
from crm_gateway.authority import require_no_more
from crm_gateway.clients.models import client_roles
from crm_gateway.roles.models import Role
from crm_gateway.users.models import user_roles


def create(session: Session, principal: Principal, values: dict[str, Any]) -> Role:
    """Add a role.

    :raises Problem: 403 when it grants more than ``principal`` has; 409 when the name is taken.
    """
    require_no_more(principal, values["grants"])
    if session.scalar(select(exists().where(Role.name == values["name"]))):
        raise conflict("Another role has this name.")
    role = Role(**values)
    session.add(role)
    return role


def change(session: Session, principal: Principal, role: Role, changes: dict[str, Any]) -> None:
    """Change what a role grants, for all that have it, within seconds.

    :raises Problem: 403 when it grants, before or after, more than ``principal`` has.
    """
    require_no_more(principal, role.grants)
    require_no_more(principal, changes.get("grants", {}))
    change_fields(role, changes)


def delete(session: Session, principal: Principal, role: Role) -> None:
    """Delete a role that nobody has.

    :raises Problem: 403 when it grants more than ``principal`` has; 409 when somebody has it.
    """
    require_no_more(principal, role.grants)
    for assigned in (user_roles, client_roles):
        if session.scalar(select(exists().where(assigned.c.role_id == role.id))):
            raise conflict("Somebody has this role.")
    session.delete(role)
