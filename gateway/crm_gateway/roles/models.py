"""Roles: named sets of permissions, and how far each reaches."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.auth import SCOPES, Scope
from crm_chassis.database import Json
from crm_gateway.tables import Tables

Grants = dict[str, Scope]
"""Permission, or a pattern ending in ``*``, to the scope it is granted for."""


class Role(Versioned, Tables):
    """:ivar name: what users, clients and events call it; it never changes."""

    __tablename__ = "roles"

    name: Mapped[str] = mapped_column(String(60), unique=True)
    description: Mapped[str] = mapped_column(String(200))
    grants: Mapped[Grants] = mapped_column(Json)


def combined(several: Iterable[Grants]) -> Grants:
    """All permissions of ``several``, each in the widest scope it has in any of them."""
    widest: Grants = {}
    for grants in several:
        for permission, scope in grants.items():
            widest[permission] = max(widest.get(permission, scope), scope, key=SCOPES.index)
    return widest
