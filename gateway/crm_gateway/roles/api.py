"""``/v1/roles``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, check_version, reads, versioned
from crm_gateway.authority import administers
from crm_gateway.roles import commands, queries
from crm_gateway.roles.models import Role
from crm_gateway.roles.schemas import RoleChanges, RoleFields, RoleView

READ, WRITE = "identity.roles.read", "identity.roles.write"
_KEPT = ("name", "grants")  # with the administrative act

LISTING = Listing(
    Role,
    sorts={"name": Role.name},
    default="name",
    filters={"name": equals(Role.name)},
    search=[Role.name, Role.description],
)

blueprint = Blueprint("roles", __name__, url_prefix="/v1/roles", description="Roles")


@blueprint.route("")
class Roles(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(RoleView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Role]:
        """List roles."""
        return LISTING.page(session, select(Role), query)

    @administers(WRITE, "role.create", _KEPT)
    @blueprint.arguments(RoleFields)
    @blueprint.response(201, RoleView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a role."""
        return versioned(session, commands.create(session, current_principal(), values))


@blueprint.route("/<uuid:role_id>")
class RoleById(MethodView):
    @reads(READ)
    @blueprint.response(200, RoleView)
    def get(self, role_id: object, session: Session) -> Any:
        """Read a role."""
        return versioned(session, queries.role(session, role_id))

    @administers(WRITE, "role.change", _KEPT, if_match=True)
    @blueprint.arguments(RoleChanges)
    @blueprint.response(200, RoleView)
    def patch(self, changes: dict[str, Any], role_id: object, session: Session) -> Any:
        """Change what a role grants."""
        role = queries.role(session, role_id)
        check_version(role)
        commands.change(session, current_principal(), role, changes)
        return versioned(session, role)

    @administers(WRITE, "role.delete", if_match=True)
    @blueprint.response(204)
    def delete(self, role_id: object, session: Session) -> None:
        """Delete a role that nobody has."""
        role = queries.role(session, role_id)
        check_version(role)
        commands.delete(session, current_principal(), role)
