"""Which targets somebody sees, and which they may set."""

from __future__ import annotations

from sqlalchemy import ColumnElement, Uuid, literal, or_, select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_sales.members import members_reached
from crm_sales.targets.models import Target


def visible(principal: Principal, permission: str) -> ColumnElement[bool]:
    """Those of the people and teams that the permission reaches, and the company's.

    :raises Problem: 403 when the permission is not granted at all.
    """
    of_members = members_reached(principal, permission, Target.scope, Target.member_id)
    return or_(Target.scope == "company", of_members)


def may_set(
    session: Session, principal: Principal, permission: str, scope: str, member_id: str | None
) -> bool:
    """Whether the permission reaches whom a target is for; the company is everybody."""
    if principal.scope_of(permission) == "all":
        return True
    member = literal(member_id, Uuid(as_uuid=False))
    reached = members_reached(principal, permission, literal(scope), member)
    return bool(session.scalar(select(reached)))
