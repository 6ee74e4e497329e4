"""``/v1/quotes``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Response
from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import MoneyAmount, Reference
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_sales.quotes import commands, pdf, queries
from crm_sales.quotes.models import Quote
from crm_sales.quotes.schemas import (
    Acceptance,
    QuoteChanges,
    QuoteDetail,
    QuoteFields,
    QuoteView,
    Rejection,
)

READ, WRITE = "sales.quotes.read", commands.WRITE

LISTING = Listing(
    Quote,
    sorts={
        "created_at": Quote.created_at,
        "total": Quote.total,
        "valid_until": Quote.valid_until,
    },
    default="-created_at",
    filters={
        "status": equals(Quote.status),
        "number": equals(Quote.number),
        "opportunity_id": equals(Quote.opportunity_id, Reference),
        "account_id": equals(Quote.account_id, Reference),
        "contact_id": equals(Quote.contact_id, Reference),
        "owner_id": equals(Quote.owner_id, Reference),
        "team_id": equals(Quote.team_id, Reference),
        "currency": equals(Quote.currency),
        "total_from": at_least(Quote.total, MoneyAmount),
        "total_to": at_most(Quote.total, MoneyAmount),
        "valid_until_from": at_least(Quote.valid_until, fields.Date),
        "valid_until_to": at_most(Quote.valid_until, fields.Date),
    },
)

blueprint = Blueprint("quotes", __name__, url_prefix="/v1/quotes", description="Quotes")


def _visible_quotes() -> Select[tuple[Quote]]:
    return visible(select(Quote), Quote, READ)


@blueprint.route("")
class Quotes(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(QuoteView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Quote]:
        """List quotes."""
        return LISTING.page(session, _visible_quotes(), query)

    @writes(WRITE)
    @blueprint.arguments(QuoteFields)
    @blueprint.response(201, QuoteDetail)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Draft a quote."""
        quote = commands.create(session, current_principal(), values, business_day())
        return versioned(session, quote)


@blueprint.route("/<uuid:quote_id>")
class QuoteById(MethodView):
    @reads(READ)
    @blueprint.response(200, QuoteDetail)
    def get(self, quote_id: object, session: Session) -> Any:
        """Read a quote."""
        return versioned(session, queries.one(session, quote_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(QuoteChanges)
    @blueprint.response(200, QuoteDetail)
    def patch(self, changes: dict[str, Any], quote_id: object, session: Session) -> Any:
        """Change a draft."""
        quote = queries.to_change(session, quote_id, WRITE)
        commands.change(session, current_principal(), quote, changes)
        return versioned(session, quote)


@blueprint.route("/<uuid:quote_id>/send")
class QuoteSending(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, QuoteDetail)
    def post(self, quote_id: object, session: Session) -> Any:
        """Put a draft before the customer."""
        quote = queries.to_change(session, quote_id, WRITE)
        commands.send(session, quote, business_day())
        return versioned(session, quote)


@blueprint.route("/<uuid:quote_id>/accept")
class QuoteAcceptance(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Acceptance)
    @blueprint.response(200, QuoteDetail)
    def post(self, acceptance: dict[str, Any], quote_id: object, session: Session) -> Any:
        """Have the customer accept; an order is placed for what the quote offers."""
        quote = queries.to_change(session, quote_id, WRITE)
        accepted_on = acceptance.get("accepted_on", business_day())
        commands.accept(session, current_principal(), quote, accepted_on)
        return versioned(session, quote)


@blueprint.route("/<uuid:quote_id>/reject")
class QuoteRejection(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(Rejection)
    @blueprint.response(200, QuoteDetail)
    def post(self, rejection: dict[str, Any], quote_id: object, session: Session) -> Any:
        """Have the customer decline."""
        quote = queries.to_change(session, quote_id, WRITE)
        rejected_on = rejection.get("rejected_on", business_day())
        commands.reject(session, quote, rejected_on, rejection["reason"])
        return versioned(session, quote)


@blueprint.route("/<uuid:quote_id>/versions")
class QuoteVersions(MethodView):
    @reads(READ)
    @blueprint.response(200, QuoteView(many=True))
    def get(self, quote_id: object, session: Session) -> Sequence[Quote]:
        """Every version of a quote, the first one first."""
        return queries.versions(session, queries.one(session, quote_id, READ), READ)

    @writes(WRITE, if_match=True)
    @blueprint.response(201, QuoteDetail)
    def post(self, quote_id: object, session: Session) -> Any:
        """Draft the next version, which takes the place of this one."""
        quote = queries.to_change(session, quote_id, WRITE)
        return versioned(session, commands.revise(session, quote, business_day()))


@blueprint.route("/<uuid:quote_id>/pdf")
class QuoteDocument(MethodView):
    @reads(READ)
    @blueprint.response(200, {"type": "string", "format": "binary"}, content_type="application/pdf")
    def get(self, quote_id: object, session: Session) -> Response:
        """The document that the customer gets."""
        quote = queries.one(session, quote_id, READ)
        document = pdf.render(quote, queries.parties(session, quote))
        name = f"{quote.number}-{quote.version_number}.pdf"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(document, content_type="application/pdf", headers=headers)


EXPORT = Export("quotes", QuoteView, LISTING, _visible_quotes, READ)
