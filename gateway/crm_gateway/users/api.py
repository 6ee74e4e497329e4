"""``/v1/users``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, check_version, reads, versioned
from crm_gateway.authority import administers, require_no_more
from crm_gateway.users import commands, queries
from crm_gateway.users.models import User
from crm_gateway.users.queries import READ
from crm_gateway.users.schemas import NewPassword, UserFields, UserRow, UserView

WRITE = "identity.users.write"
_KEPT = ("roles", "team_id", "active")  # with the administrative act: nothing personal

LISTING = Listing(
    User,
    sorts={"name": User.name, "created_at": User.created_at},
    default="name",
    filters={
        "external_id": equals(User.external_id),
        "email": equals(User.email),
        "team_id": equals(User.team_id, Reference),
        "active": equals(User.active, fields.Boolean),
    },
    search=[User.name, User.email],
)

blueprint = Blueprint("users", __name__, url_prefix="/v1/users", description="Users")


@blueprint.route("")
class Users(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(UserView))
    def get(self, query: dict[str, Any], session: Session) -> Page[User]:
        """List users."""
        return LISTING.page(session, queries.visible_users(current_principal()), query)

    @administers(WRITE, "user.create", _KEPT)
    @blueprint.arguments(UserFields)
    @blueprint.response(201, UserView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a user, who can sign in once a password is set."""
        return versioned(session, commands.create(session, current_principal(), values))


@blueprint.route("/<uuid:user_id>")
class UserById(MethodView):
    @reads(READ)
    @blueprint.response(200, UserView)
    def get(self, user_id: object, session: Session) -> Any:
        """Read a user."""
        return versioned(session, queries.user(session, current_principal(), user_id))

    @administers(WRITE, "user.change", _KEPT, if_match=True)
    @blueprint.arguments(changes_of(UserFields))
    @blueprint.response(200, UserView)
    def patch(self, changes: dict[str, Any], user_id: object, session: Session) -> Any:
        """Change a user: their name, team, roles, or whether they may act at all."""
        user = queries.user(session, current_principal(), user_id)
        check_version(user)
        commands.change(session, current_principal(), user, changes)
        return versioned(session, user)


@blueprint.route("/<uuid:user_id>/password")
class UserPassword(MethodView):
    @administers(WRITE, "user.set_password")
    @blueprint.arguments(NewPassword)
    @blueprint.response(204)
    def put(self, values: dict[str, Any], user_id: object, session: Session) -> None:
        """Set a user's password, which ends their sessions."""
        user = queries.user(session, current_principal(), user_id)
        require_no_more(current_principal(), user.grants)
        commands.set_password(session, user, values["password"])


IMPORTER = Importer("users", UserRow, commands.import_rows, WRITE)
EXPORT = Export(
    "users", UserView, LISTING, lambda: queries.visible_users(current_principal()), READ
)
