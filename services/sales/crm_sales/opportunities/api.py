"""``/v1/opportunities``"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import ColumnElement, Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.attachments import Attachable
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import MoneyAmount, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Filter, Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_sales.opportunities import bulk, commands, competition, lines, queries
from crm_sales.opportunities.imports import import_rows
from crm_sales.opportunities.models import (
    FORECAST_CATEGORIES,
    ForecastEntry,
    Opportunity,
    OpportunityCompetitor,
    StageEntry,
)
from crm_sales.opportunities.schemas import (
    BulkChange,
    BulkResult,
    CompetitorOfDealView,
    CompetitorsOfDeal,
    ForecastEntryView,
    LineItems,
    LineItemsView,
    Loss,
    NewOpportunity,
    OpportunityFields,
    OpportunityRow,
    OpportunityView,
    Reopening,
    StageEntryView,
    StageMove,
    TotalsView,
    Win,
)

READ, WRITE = queries.READ, commands.WRITE


def _meets(competitor_id: str) -> ColumnElement[bool]:
    return Opportunity.competitors.any(OpportunityCompetitor.competitor_id == competitor_id)


LISTING = Listing(
    Opportunity,
    sorts={
        "created_at": Opportunity.created_at,
        "name": Opportunity.name,
        "amount": Opportunity.amount,
    },
    default="-created_at",
    filters={
        "pipeline": equals(Opportunity.pipeline),
        "stage": equals(Opportunity.stage),
        "stage_type": equals(Opportunity.stage_type),
        "account_id": equals(Opportunity.account_id, Reference),
        "product_id": equals(Opportunity.product_id, Reference),
        "campaign_id": equals(Opportunity.campaign_id, Reference),
        "lead_id": equals(Opportunity.lead_id, Reference),
        "owner_id": equals(Opportunity.owner_id, Reference),
        "team_id": equals(Opportunity.team_id, Reference),
        "external_id": equals(Opportunity.external_id),
        "currency": equals(Opportunity.currency),
        "competitor_id": Filter(Reference(), _meets),
        "forecast_category": Filter(
            fields.String(validate=validate.OneOf(FORECAST_CATEGORIES)),
            lambda category: Opportunity.forecast_category == category,
        ),
        "next_step_on_from": at_least(Opportunity.next_step_on, fields.Date),
        "next_step_on_to": at_most(Opportunity.next_step_on, fields.Date),
        "amount_from": at_least(Opportunity.amount, MoneyAmount),
        "amount_to": at_most(Opportunity.amount, MoneyAmount),
        "closed_on_from": at_least(Opportunity.closed_on, fields.Date),
        "closed_on_to": at_most(Opportunity.closed_on, fields.Date),
    },
    search=[Opportunity.name],
)

TOTALS_QUERY = LISTING.schema(exclude=("limit", "cursor", "sort"))

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

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(OpportunityFields))
    @blueprint.response(200, OpportunityView)
    def patch(self, changes: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Change an opportunity."""
        opportunity = _to_change(session, opportunity_id)
        commands.change(session, opportunity, changes, business_day())
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/stage")
class OpportunityStage(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(StageMove)
    @blueprint.response(200, OpportunityView)
    def put(self, move: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Move an opportunity to another open stage, or to one of another pipeline."""
        opportunity = _to_change(session, opportunity_id)
        commands.advance(session, opportunity, move["stage"], move.get("pipeline"))
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/win")
class OpportunityWin(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Win)
    @blueprint.response(200, OpportunityView)
    def post(self, win: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Close an opportunity as won."""
        opportunity = _to_change(session, opportunity_id)
        today = business_day()
        closed_on = win.get("closed_on", today)
        commands.win(session, opportunity, closed_on, win.get("amount"), today)
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/lose")
class OpportunityLoss(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Loss)
    @blueprint.response(200, OpportunityView)
    def post(self, loss: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Close an opportunity as lost."""
        opportunity = _to_change(session, opportunity_id)
        closed_on = loss.get("closed_on", business_day())
        commands.lose(session, opportunity, closed_on, loss["reason"], loss.get("competitor_id"))
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/reopen")
class OpportunityReopening(MethodView):
    @writes(WRITE, if_match=True)
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


@blueprint.route("/opportunities/<uuid:opportunity_id>/forecast-log")
class OpportunityForecastLog(MethodView):
    @reads(READ)
    @blueprint.response(200, ForecastEntryView(many=True))
    def get(self, opportunity_id: object, session: Session) -> Sequence[ForecastEntry]:
        """How an opportunity's forecast changed: category, probability, amount, day of closing."""
        opportunity = visible_one(session, Opportunity, opportunity_id, READ)
        return queries.forecast_log(session, opportunity.id)


@blueprint.route("/opportunities/<uuid:opportunity_id>/line-items")
class OpportunityLineItems(MethodView):
    @reads(READ)
    @blueprint.response(200, LineItemsView)
    def get(self, opportunity_id: object, session: Session) -> Any:
        """What an opportunity sells."""
        return versioned(session, visible_one(session, Opportunity, opportunity_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(LineItems)
    @blueprint.response(200, LineItemsView)
    def put(self, values: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Say all that an opportunity sells; its amount follows from that."""
        opportunity = _to_change(session, opportunity_id)
        lines.set_lines(
            session,
            current_principal(),
            opportunity,
            values["lines"],
            values.get("price_list_id"),
            business_day(),
        )
        return versioned(session, opportunity)


@blueprint.route("/opportunities/<uuid:opportunity_id>/competitors")
class OpportunityCompetitors(MethodView):
    @reads(READ)
    @blueprint.response(200, CompetitorOfDealView(many=True))
    def get(
        self, opportunity_id: object, session: Session
    ) -> tuple[Sequence[OpportunityCompetitor], dict[str, str]]:
        """Whom else the customer may buy from."""
        opportunity = visible_one(session, Opportunity, opportunity_id, READ)
        _, headers = versioned(session, opportunity)
        return opportunity.competitors, headers

    @writes(WRITE, if_match=True)
    @blueprint.arguments(CompetitorsOfDeal)
    @blueprint.response(200, CompetitorOfDealView(many=True))
    def put(self, values: dict[str, Any], opportunity_id: object, session: Session) -> Any:
        """Say all competitors that are met on an opportunity."""
        opportunity = _to_change(session, opportunity_id)
        competition.set_competitors(session, opportunity, values["competitors"])
        _, headers = versioned(session, opportunity)
        return opportunity.competitors, headers


@blueprint.route("/opportunities/bulk")
class OpportunitiesInBulk(MethodView):
    @writes(WRITE)
    @blueprint.arguments(BulkChange)
    @blueprint.response(200, BulkResult)
    def post(self, values: dict[str, Any], session: Session) -> dict[str, Any]:
        """Give many opportunities to an owner, or move them to a stage.

        It is one transaction, and not all or nothing: each opportunity is changed wholly or left
        as it is, and the answer says what became of it.
        """
        items = values.pop("items")
        outcomes = bulk.change_many(session, items, values)
        counts = Counter(outcome.outcome for outcome in outcomes)
        return {
            "changed": counts["changed"],
            "unchanged": counts["unchanged"],
            "refused": counts["refused"],
            "results": outcomes,
        }


@blueprint.route("/opportunities/totals")
class OpportunityTotals(MethodView):
    @reads(READ)
    @blueprint.arguments(TOTALS_QUERY, location="query")
    @blueprint.response(200, TotalsView)
    def get(self, query: dict[str, Any], session: Session) -> queries.Totals:
        """What the opportunities that the filters leave add up to; no two currencies are mixed."""
        return queries.totals(session, LISTING.narrow(_visible_opportunities(), query))


IMPORTER = Importer("opportunities", OpportunityRow, import_rows, WRITE)
EXPORT = Export("opportunities", OpportunityView, LISTING, _visible_opportunities, READ)
ATTACHMENTS = Attachable(resource="opportunities", model=Opportunity, read=READ, write=WRITE)
