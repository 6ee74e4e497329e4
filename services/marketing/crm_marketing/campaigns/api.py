"""``/v1/campaigns``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_marketing.campaigns import commands
from crm_marketing.campaigns.models import Campaign
from crm_marketing.campaigns.schemas import (
    CampaignFields,
    CampaignMove,
    CampaignRow,
    CampaignView,
)

READ, WRITE = "marketing.campaigns.read", commands.WRITE

LISTING = Listing(
    Campaign,
    sorts={"created_at": Campaign.created_at, "name": Campaign.name},
    default="-created_at",
    filters={
        "status": equals(Campaign.status),
        "channel": equals(Campaign.channel),
        "owner_id": equals(Campaign.owner_id, Reference),
        "team_id": equals(Campaign.team_id, Reference),
        "external_id": equals(Campaign.external_id),
        "starts_on_from": at_least(Campaign.starts_on, fields.Date),
        "starts_on_to": at_most(Campaign.starts_on, fields.Date),
        "ends_on_from": at_least(Campaign.ends_on, fields.Date),
        "ends_on_to": at_most(Campaign.ends_on, fields.Date),
    },
    search=[Campaign.name],
)

blueprint = Blueprint("campaigns", __name__, url_prefix="/v1/campaigns", description="Campaigns")


def _visible_campaigns() -> Select[tuple[Campaign]]:
    return visible(select(Campaign), Campaign, READ)


@blueprint.route("")
class Campaigns(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(CampaignView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Campaign]:
        """List campaigns."""
        return LISTING.page(session, _visible_campaigns(), query)

    @writes(WRITE)
    @blueprint.arguments(CampaignFields)
    @blueprint.response(201, CampaignView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Plan a campaign."""
        return versioned(session, commands.create(session, current_principal(), values))


@blueprint.route("/<uuid:campaign_id>")
class CampaignById(MethodView):
    @reads(READ)
    @blueprint.response(200, CampaignView)
    def get(self, campaign_id: object, session: Session) -> Any:
        """Read a campaign."""
        return versioned(session, visible_one(session, Campaign, campaign_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(CampaignFields))
    @blueprint.response(200, CampaignView)
    def patch(self, changes: dict[str, Any], campaign_id: object, session: Session) -> Any:
        """Change a campaign."""
        campaign = visible_to_change(session, Campaign, campaign_id, WRITE)
        commands.change(session, campaign, changes)
        return versioned(session, campaign)


@blueprint.route("/<uuid:campaign_id>/status")
class CampaignStatus(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(CampaignMove)
    @blueprint.response(200, CampaignView)
    def put(self, move: dict[str, Any], campaign_id: object, session: Session) -> Any:
        """Move a campaign to another status."""
        campaign = visible_to_change(session, Campaign, campaign_id, WRITE)
        commands.move(session, campaign, move["status"])
        return versioned(session, campaign)


IMPORTER = Importer("campaigns", CampaignRow, commands.import_rows, WRITE)
EXPORT = Export("campaigns", CampaignView, LISTING, _visible_campaigns, READ)
