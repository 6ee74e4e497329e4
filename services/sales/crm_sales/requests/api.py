"""``/v1/requests``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.requests import commands, queries
from crm_sales.requests.imports import import_rows
from crm_sales.requests.models import CustomerRequest, RequestEntry
from crm_sales.requests.schemas import (
    DevelopmentPart,
    RequestEntryView,
    RequestFields,
    RequestMove,
    RequestRow,
    RequestView,
    ServicePart,
)

READ, WRITE = "sales.requests.read", commands.WRITE

LISTING = Listing(
    CustomerRequest,
    sorts={"opened_at": CustomerRequest.opened_at},
    default="-opened_at",
    filters={
        "status": equals(CustomerRequest.status),
        "external_id": equals(CustomerRequest.external_id),
        "account_id": equals(CustomerRequest.account_id, Reference),
        "contact_id": equals(CustomerRequest.contact_id, Reference),
        "opportunity_id": equals(CustomerRequest.opportunity_id, Reference),
        "product_id": equals(CustomerRequest.product_id, Reference),
        "owner_id": equals(CustomerRequest.owner_id, Reference),
        "team_id": equals(CustomerRequest.team_id, Reference),
        "development_owner_id": equals(CustomerRequest.development_owner_id, Reference),
        "service_owner_id": equals(CustomerRequest.service_owner_id, Reference),
        "opened_on_from": at_least(CustomerRequest.opened_on, fields.Date),
        "opened_on_to": at_most(CustomerRequest.opened_on, fields.Date),
    },
    search=[CustomerRequest.title],
)

blueprint = Blueprint("requests", __name__, url_prefix="/v1/requests", description="Requests")


def _visible_requests() -> Select[tuple[CustomerRequest]]:
    return queries.visible_requests(READ)


def _changed(session: Session, request_id: object, changes: dict[str, Any]) -> Any:
    request = queries.visible_request(session, request_id, WRITE)
    check_version(request)
    commands.change(session, request, changes)
    return versioned(session, request)


@blueprint.route("")
class Requests(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(RequestView))
    def get(self, query: dict[str, Any], session: Session) -> Page[CustomerRequest]:
        """List what customers ask for."""
        return LISTING.page(session, _visible_requests(), query)

    @writes(WRITE)
    @blueprint.arguments(RequestFields)
    @blueprint.response(201, RequestView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Take in what a customer asks for."""
        principal = current_principal()
        request = commands.open_request(session, principal, values, business_day())
        return versioned(session, request)


@blueprint.route("/<uuid:request_id>")
class RequestById(MethodView):
    @reads(READ)
    @blueprint.response(200, RequestView)
    def get(self, request_id: object, session: Session) -> Any:
        """Read a request."""
        return versioned(session, queries.visible_request(session, request_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(RequestFields))
    @blueprint.response(200, RequestView)
    def patch(self, changes: dict[str, Any], request_id: object, session: Session) -> Any:
        """Change what sales says of a request."""
        return _changed(session, request_id, changes)


@blueprint.route("/<uuid:request_id>/development")
class RequestDevelopment(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(DevelopmentPart))
    @blueprint.response(200, RequestView)
    def patch(self, changes: dict[str, Any], request_id: object, session: Session) -> Any:
        """Change the schedule of a request, or who is responsible for it."""
        return _changed(session, request_id, changes)


@blueprint.route("/<uuid:request_id>/service")
class RequestService(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(ServicePart))
    @blueprint.response(200, RequestView)
    def patch(self, changes: dict[str, Any], request_id: object, session: Session) -> Any:
        """Change the feedback on a request, or who is responsible for it."""
        return _changed(session, request_id, changes)


@blueprint.route("/<uuid:request_id>/status")
class RequestStatus(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(RequestMove)
    @blueprint.response(200, RequestView)
    def put(self, move: dict[str, Any], request_id: object, session: Session) -> Any:
        """Move a request to another status."""
        request = queries.visible_request(session, request_id, WRITE)
        check_version(request)
        commands.move(session, request, move["status"], business_day(), move.get("reason"))
        return versioned(session, request)


@blueprint.route("/<uuid:request_id>/log")
class RequestLog(MethodView):
    @reads(READ)
    @blueprint.response(200, RequestEntryView(many=True))
    def get(self, request_id: object, session: Session) -> Sequence[RequestEntry]:
        """The way of a request through its states."""
        return queries.log(session, queries.visible_request(session, request_id, READ).id)


IMPORTER = Importer("requests", RequestRow, import_rows, WRITE)
EXPORT = Export("requests", RequestView, LISTING, _visible_requests, READ)
