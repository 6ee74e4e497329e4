"""``/v1/events/parked``: what a service could not handle, for a person to decide."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.auth import current_principal, require
from crm_chassis.fields import Instant, Reference, Text
from crm_chassis.operations.parked import (
    PARKED,
    STATES,
    Selection,
    Settled,
    Settling,
    discard,
    list_parked,
    one_parked,
    redrive,
    settle_some,
)
from crm_chassis.paging import PageQuery, page_of, page_schema
from crm_chassis.web import Blueprint, current_service

_MOST_AT_ONCE = 500


class ParkedEvent(Schema):
    """An event set aside, with the reason and the handler that could not take it."""

    id = fields.String()
    event_id = fields.String()
    type = fields.String()
    handler = fields.String()
    reason = fields.String()
    attempts = fields.Integer()
    traceparent = fields.String(allow_none=True)
    state = fields.String()
    parked_at = Instant()
    settled_at = Instant(allow_none=True)
    settled_by = fields.String(allow_none=True)
    settled_because = fields.String(allow_none=True)
    event = fields.Raw(metadata={"description": "The event, or its text where it is not JSON."})


class _Filters(Schema):
    type = Text(120)
    handler = Text(200)


class ParkedQuery(_Filters, PageQuery):
    state = fields.String(load_default=PARKED, validate=validate.OneOf(STATES))


class Discard(Schema):
    reason = Text(1000, required=True)


class SettleMany(_Filters):
    """Which parked events, and how many at once; the answer's cursor goes on behind them."""

    all = fields.Boolean(load_default=False)
    limit = fields.Integer(load_default=100, validate=validate.Range(1, _MOST_AT_ONCE))
    cursor = Reference()

    @validates_schema
    def _are_chosen(self, data: dict[str, Any], **_kwargs: Any) -> None:
        if data["all"] == bool(data.keys() & {"type", "handler"}):
            raise ValidationError("Give a type or a handler, or else say all.", "all")


class DiscardMany(SettleMany, Discard):
    pass


class NotSettled(Schema):
    """A parked event that stays as it is."""

    id = fields.String()
    detail = fields.String()


class SettledMany(Schema):
    """How many were settled, which were not, and the cursor of those that were not tried yet."""

    done = fields.Integer()
    failed = fields.List(fields.Nested(NotSettled))
    next_cursor = fields.String(allow_none=True)


def _selection(given: dict[str, Any]) -> Selection:
    return Selection(given.get("type"), given.get("handler"))


def _settle(settle: Settling, given: dict[str, Any]) -> dict[str, Any]:
    settled: Settled = settle_some(
        current_service().database,
        settle,
        _selection(given),
        given["limit"],
        given.get("cursor"),
    )
    return {
        "done": settled.done,
        "failed": [{"id": parked_id, "detail": why} for parked_id, why in settled.failed],
        "next_cursor": settled.last,
    }


def parked_blueprint(service_name: str) -> Blueprint:
    """List, redrive, discard; needs the permission ``<service>.events.admin``."""
    permission = f"{service_name}.events.admin"
    blueprint = Blueprint(
        "parked", __name__, url_prefix="/v1/events/parked", description="Parked events"
    )

    @blueprint.before_request
    def administers() -> None:
        require(permission)

    @blueprint.route("")
    class ParkedList(MethodView):
        @blueprint.arguments(ParkedQuery, location="query")
        @blueprint.response(200, page_schema(ParkedEvent))
        def get(self, query: dict[str, Any]) -> Any:
            """Parked events, oldest first."""
            limit = query["limit"]
            after = query.get("cursor")
            with current_service().database.reading() as session:
                found = list_parked(session, query["state"], limit + 1, after, _selection(query))
            return page_of(found, limit, itemgetter("id"))

    @blueprint.route("/redrive")
    class RedriveMany(MethodView):
        @blueprint.arguments(SettleMany)
        @blueprint.response(200, SettledMany)
        def post(self, given: dict[str, Any]) -> Any:
            """Handle parked events again, the oldest first."""
            service, by = current_service(), current_principal().id
            return _settle(
                lambda parked_id: redrive(service.database, service.processor, parked_id, by),
                given,
            )

    @blueprint.route("/discard")
    class DiscardSeveral(MethodView):
        @blueprint.arguments(DiscardMany)
        @blueprint.response(200, SettledMany)
        def post(self, given: dict[str, Any]) -> Any:
            """Give parked events up, the oldest first."""
            database, by = current_service().database, current_principal().id
            return _settle(
                lambda parked_id: discard(database, parked_id, by, given["reason"]), given
            )

    @blueprint.route("/<uuid:parked_id>/redrive")
    class Redrive(MethodView):
        @blueprint.response(200, ParkedEvent)
        def post(self, parked_id: Any) -> Any:
            """Handle a parked event again."""
            service = current_service()
            redrive(service.database, service.processor, str(parked_id), current_principal().id)
            with service.database.reading() as session:
                return one_parked(session, str(parked_id))

    @blueprint.route("/<uuid:parked_id>/discard")
    class DiscardParked(MethodView):
        @blueprint.arguments(Discard)
        @blueprint.response(200, ParkedEvent)
        def post(self, body: dict[str, Any], parked_id: Any) -> Any:
            """Give a parked event up."""
            database = current_service().database
            discard(database, str(parked_id), current_principal().id, body["reason"])
            with database.reading() as session:
                return one_parked(session, str(parked_id))

    return blueprint
