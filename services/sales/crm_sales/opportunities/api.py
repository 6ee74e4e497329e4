"""``/v1/opportunities`` and ``/v1/stages``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import MoneyAmount, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_sales.opportunities import commands, queries
from crm_sales.opportunities.imports import import_rows
from crm_sales.opportunities.models import Opportunity, Stage, StageEntry
from crm_sales.opportunities.schemas import (
    Loss,
    NewOpportunity,
    OpportunityFields,
    OpportunityRow,
    OpportunityView,
    Reopening,
    StageEntryView,
    StageMove,
    StageView,
    Win,
)

READ, WRITE = "sales.opportunities.read", commands.WRITE

LISTING = Listing(
    Opportunity,
    sorts={
        "created_at": Opportunity.created_at,
        "name": Opportunity.name,
        "amount": Opportunity.amount,
    },
    default="-created_at",
    filters={
        "stage": equals(Opportunity.stage),
        "stage_type": equals(Opportunity.stage_type),
        "account_id": equals(Opportunity.account_id, Reference),
        "product_id": equals(Opportunity.product_id, Reference),
        "campaign_id": equals(Opportunity.campaign_id, Reference),
        "lead_id": equals(Opportunity.lead_id, Reference),
        "owner_id": equals(Opportunity.owner_id, Reference),
        "team_id": equals(Opportunity.team_id, Reference),
        "external_id": equals(Opportunity.external_id),
        "amount_from": at_least(Opportunity.amount, MoneyAmount),
        "amount_to": at_most(Opportunity.amount, MoneyAmount),
        "closed_on_from": at_least(Opportunity.closed_on, fields.Date),
        "closed_on_to": at_most(Opportunity.closed_on, fields.Date),
    },
    search=[Opportunity.name],
)

blueprint = Blueprint("opportunities", __name__, url_prefix="/v1", description="Opportunities")


def _visible_opportunities() -> Select[tuple[Opportunity]]:
    return visible(select(Opportunity), Opportunity, READ)


def _to_change(session: Session, opportunity_id: object) -> Opportunity:
    return visible_to_change(session, Opportunity, opportunity_id, WRITE)


@blueprint.route("/opportunities")
class Opportunities(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(OpportunityView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Opportunity]:
        """List opportunities."""
        return LISTING.page(session, _visible_opportunities(), query)

    @writes(WRITE)
    @blueprint.arguments(NewOpportunity)
    @blueprint.response(201, OpportunityView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Open an opportunity."""
        principal = current_principal()
        opened = commands.open_opportunity(session, principal, values, business_day())
        return versioned(session, opened)


@blueprint.route("/opportunities/<uuid:opportunity_id>")
class OpportunityById(MethodView):
    @reads(READ)
    @blueprint.response(200, OpportunityView)
    def get(self, opportunity_id: object, session: Session) -> Any:
        """Read an opportunity."""
        return versioned(session, visible_one(session, Opportunity, opportunity_id, READ))

    @writes(WRITE)
    @blueprint.arguments(changes_of(OpportunityFields))
    @blueprint.response(200, OpportunityView)
    def patch(self, changes: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Change an opportunity."""
        opportunity = _to_change(session, opportunity_id)
        commands.change(session, opportunity, changes)
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/stage")
class OpportunityStage(MethodView):
    @writes(WRITE)
    @blueprint.arguments(StageMove)
    @blueprint.response(200, OpportunityView)
    def put(self, move: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Move an opportunity to another open stage."""
        opportunity = _to_change(session, opportunity_id)
        commands.advance(session, opportunity, move["stage"])
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/win")
class OpportunityWin(MethodView):
    @writes(WRITE)
    @blueprint.arguments(Win)
    @blueprint.response(200, OpportunityView)
    def post(self, win: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Close an opportunity as won."""
        opportunity = _to_change(session, opportunity_id)
        commands.win(session, opportunity, win.get("closed_on", business_day()), win.get("amount"))
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/lose")
class OpportunityLoss(MethodView):
    @writes(WRITE)
    @blueprint.arguments(Loss)
    @blueprint.response(200, OpportunityView)
    def post(self, loss: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Close an opportunity as lost."""
        opportunity = _to_change(session, opportunity_id)
        commands.lose(session, opportunity, loss.get("closed_on", business_day()), loss["reason"])
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/reopen")
class OpportunityReopening(MethodView):
    @writes(WRITE)
    @blueprint.arguments(Reopening)
    @blueprint.response(200, OpportunityView)
    def post(self, reopening: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Take up a closed opportunity again."""
        opportunity = _to_change(session, opportunity_id)
        commands.reopen(session, opportunity, reopening.get("stage"))
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/stage-log")
class OpportunityStageLog(MethodView):
    @reads(READ)
    @blueprint.response(200, StageEntryView(many=True))
    def get(self, opportunity_id: object, session: Session) -> Sequence[StageEntry]:
        """The way of an opportunity through its stages."""
        opportunity = visible_one(session, Opportunity, opportunity_id, READ)
        return queries.stage_log(session, opportunity.id)


@blueprint.route("/stages")
class Stages(MethodView):
    @reads(READ)
    @blueprint.response(200, StageView(many=True))
    def get(self, session: Session) -> Sequence[Stage]:
        """The stages of every pipeline, in order."""
        return queries.stages(session)


IMPORTER = Importer("opportunities", OpportunityRow, import_rows, WRITE)
EXPORT = Export("opportunities", OpportunityView, LISTING, _visible_opportunities, READ)
