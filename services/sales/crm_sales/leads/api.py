"""``/v1/leads``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Email, Phone, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import (
    Filter,
    Listing,
    Page,
    Protected,
    at_least,
    at_most,
    equals,
    one_or_several,
    page_schema,
)
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_sales.leads import commands
from crm_sales.leads.models import Lead
from crm_sales.leads.schemas import (
    PHONE_RIGHT,
    ConversionFields,
    ConversionView,
    LeadFields,
    LeadMove,
    LeadRow,
    LeadView,
)

READ, WRITE = "sales.leads.read", commands.WRITE

LISTING = Listing(
    Lead,
    sorts={"created_at": Lead.created_at, "name": Lead.name, "score": Lead.score},
    default="-created_at",
    filters={
        "status": equals(Lead.status),
        "source": equals(Lead.source),
        "campaign_id": equals(Lead.campaign_id, Reference),
        "owner_id": equals(Lead.owner_id, Reference),
        "team_id": equals(Lead.team_id, Reference),
        "external_id": equals(Lead.external_id),
        "email": equals(Lead.email, Email),
        "phone": Filter(
            one_or_several(Phone(right=PHONE_RIGHT)), Lead.phone.in_, right=PHONE_RIGHT
        ),
        "score_from": at_least(Lead.score, fields.Integer),
        "created_on_from": at_least(Lead.created_on, fields.Date),
        "created_on_to": at_most(Lead.created_on, fields.Date),
    },
    search=[Lead.name, Lead.company, Lead.email, Protected(Lead.phone, PHONE_RIGHT)],
)

blueprint = Blueprint("leads", __name__, url_prefix="/v1/leads", description="Leads")


def _visible_leads() -> Select[tuple[Lead]]:
    return visible(select(Lead), Lead, READ)


@blueprint.route("")
class Leads(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(LeadView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Lead]:
        """List leads."""
        return LISTING.page(session, _visible_leads(), query)

    @writes(WRITE)
    @blueprint.arguments(LeadFields)
    @blueprint.response(201, LeadView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Take in a new lead."""
        lead = commands.create(session, current_principal(), values, business_day())
        return versioned(session, lead)


@blueprint.route("/<uuid:lead_id>")
class LeadById(MethodView):
    @reads(READ)
    @blueprint.response(200, LeadView)
    def get(self, lead_id: object, session: Session) -> Any:
        """Read a lead."""
        return versioned(session, visible_one(session, Lead, lead_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(LeadFields))
    @blueprint.response(200, LeadView)
    def patch(self, changes: dict[str, Any], lead_id: object, session: Session) -> Any:
        """Change a lead."""
        lead = visible_to_change(session, Lead, lead_id, WRITE)
        commands.change(session, lead, changes)
        return versioned(session, lead)


@blueprint.route("/<uuid:lead_id>/status")
class LeadStatus(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(LeadMove)
    @blueprint.response(200, LeadView)
    def put(self, move: dict[str, Any], lead_id: object, session: Session) -> Any:
        """Move a lead to another status."""
        lead = visible_to_change(session, Lead, lead_id, WRITE)
        commands.move(session, lead, move["status"])
        return versioned(session, lead)


@blueprint.route("/<uuid:lead_id>/conversion")
class LeadConversion(MethodView):
    @writes(WRITE)
    @blueprint.arguments(ConversionFields)
    @blueprint.response(201, ConversionView)
    @blueprint.alt_response(200, schema=ConversionView, description="It was converted before.")
    def post(self, values: dict[str, Any], lead_id: object, session: Session) -> Any:
        """Convert a lead into account, contact and opportunity, once however often asked."""
        lead = visible_one(session, Lead, lead_id, WRITE, lock=True)
        return lead, 201 if commands.convert(session, lead, values, business_day()) else 200


IMPORTER = Importer("leads", LeadRow, commands.import_rows, WRITE)
EXPORT = Export("leads", LeadView, LISTING, _visible_leads, READ)
