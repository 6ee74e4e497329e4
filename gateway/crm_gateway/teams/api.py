"""``/v1/teams``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, check_version, reads, versioned
from crm_gateway.authority import administers
from crm_gateway.teams import commands, queries
from crm_gateway.teams.models import Team
from crm_gateway.teams.schemas import TeamFields, TeamRow, TeamView

READ, WRITE = "identity.teams.read", "identity.teams.write"
_KEPT = ("name", "parent_id")  # with the administrative act

LISTING = Listing(
    Team,
    sorts={"name": Team.name, "created_at": Team.created_at},
    default="name",
    filters={
        "external_id": equals(Team.external_id),
        "parent_id": equals(Team.parent_id, Reference),
    },
    search=[Team.name],
)

blueprint = Blueprint("teams", __name__, url_prefix="/v1/teams", description="Teams")


@blueprint.route("")
class Teams(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(TeamView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Team]:
        """List teams."""
        return LISTING.page(session, select(Team), query)

    @administers(WRITE, "team.create", _KEPT)
    @blueprint.arguments(TeamFields)
    @blueprint.response(201, TeamView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a team."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:team_id>")
class TeamById(MethodView):
    @reads(READ)
    @blueprint.response(200, TeamView)
    def get(self, team_id: object, session: Session) -> Any:
        """Read a team."""
        return versioned(session, queries.team(session, team_id))

    @administers(WRITE, "team.change", _KEPT, if_match=True)
    @blueprint.arguments(changes_of(TeamFields))
    @blueprint.response(200, TeamView)
    def patch(self, changes: dict[str, Any], team_id: object, session: Session) -> Any:
        """Rename a team, or move it with all that is below it."""
        team = queries.team(session, team_id)
        check_version(team)
        commands.change(session, team, changes)
        return versioned(session, team)


IMPORTER = Importer("teams", TeamRow, commands.import_rows, WRITE)
EXPORT = Export("teams", TeamView, LISTING, lambda: select(Team), READ)
