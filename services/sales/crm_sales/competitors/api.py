"""``/v1/competitors``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import require
from crm_chassis.fields import changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.competitors import commands, queries
from crm_sales.competitors.models import Competitor
from crm_sales.competitors.schemas import CompetitorFields, CompetitorView, Record

READ, WRITE = "sales.competitors.read", "sales.competitors.write"

LISTING = Listing(
    Competitor,
    sorts={"name": Competitor.name, "created_at": Competitor.created_at},
    default="name",
    filters={
        "external_id": equals(Competitor.external_id),
        "name": equals(Competitor.name),
        "active": equals(Competitor.active, fields.Boolean),
    },
    search=[Competitor.name],
)

blueprint = Blueprint(
    "competitors", __name__, url_prefix="/v1/competitors", description="Competitors"
)


def _competitor(session: Session, competitor_id: object) -> Competitor:
    found = session.get(Competitor, str(competitor_id))
    if found is None:
        raise not_found("competitor")
    return found


@blueprint.route("")
class Competitors(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(CompetitorView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Competitor]:
        """List competitors."""
        return LISTING.page(session, select(Competitor), query)

    @writes(WRITE)
    @blueprint.arguments(CompetitorFields)
    @blueprint.response(201, CompetitorView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a competitor."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:competitor_id>")
class CompetitorById(MethodView):
    @reads(READ)
    @blueprint.response(200, CompetitorView)
    def get(self, competitor_id: object, session: Session) -> Any:
        """Read a competitor."""
        return versioned(session, _competitor(session, competitor_id))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(CompetitorFields))
    @blueprint.response(200, CompetitorView)
    def patch(self, changes: dict[str, Any], competitor_id: object, session: Session) -> Any:
        """Change a competitor."""
        competitor = _competitor(session, competitor_id)
        check_version(competitor)
        commands.change(session, competitor, changes)
        return versioned(session, competitor)


@blueprint.route("/<uuid:competitor_id>/record")
class CompetitorRecord(MethodView):
    @reads(READ)
    @blueprint.response(200, Record)
    def get(self, competitor_id: object, session: Session) -> dict[str, int]:
        """How the deals went in which we met a competitor."""
        require("sales.opportunities.read")
        return queries.record(session, _competitor(session, competitor_id).id)


IMPORTER = Importer(
    "competitors", CompetitorFields, commands.import_rows, WRITE, keys=("external_id", "name")
)
EXPORT = Export("competitors", CompetitorView, LISTING, lambda: select(Competitor), READ)
