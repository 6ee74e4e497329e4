"""``/v1/events``: the events that a service made, and what it knows of any event."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, ValidationError, fields, validates_schema
from sqlalchemy.orm import Session

from crm_chassis.auth import forbidden, require
from crm_chassis.fields import Instant, Text
from crm_chassis.operations import event_trace
from crm_chassis.outbox import event_log
from crm_chassis.paging import PageQuery, page_of, page_schema
from crm_chassis.web import Blueprint, current_service, reads


class Envelope(Schema):
    """An event without its data."""

    id = fields.String()
    type = fields.String()
    subject = fields.String(metadata={"description": "Key of the aggregate it is about."})
    sequence = fields.Integer(metadata={"description": "The aggregate's version after it."})
    recorded_at = Instant()
    actor = fields.String()
    correlation_id = fields.String()
    causation_id = fields.String(allow_none=True)
    traceparent = fields.String(allow_none=True)


class Published(Schema):
    """Its way to the broker; when that confirmed it is null where it is not known any more."""

    waits_in_outbox = fields.Boolean()
    confirmed_at = Instant(allow_none=True)
    consumers = fields.List(fields.String(), metadata={"description": "Who is to receive it."})


class ParkedHere(Schema):
    """That it was set aside. The reason in full is with the parked events."""

    id = fields.String()
    state = fields.String()
    handler = fields.String()
    reason = fields.String()
    attempts = fields.Integer()
    parked_at = Instant()
    settled_at = Instant(allow_none=True)
    settled_by = fields.String(allow_none=True)


class EffectOnRow(Schema):
    """A row that it was applied to."""

    table = fields.String()
    key = fields.String()
    state = fields.String(metadata={"description": "stands, superseded or gone"})
    counted_in = fields.List(fields.String(), metadata={"description": "Sums of which it is part."})


class Received(Schema):
    """Its arrival."""

    at = Instant()
    outcome = fields.String(metadata={"description": "applied, parked, redriven or discarded"})
    handler = fields.String(allow_none=True)
    parked = fields.List(fields.Nested(ParkedHere))
    effects = fields.List(fields.Nested(EffectOnRow))


class EventTrace(Schema):
    """What one service knows of an event.

    Of what it received before ``remembers_received_since`` it may know nothing any more.
    """

    service = fields.String()
    id = fields.String()
    made = fields.Nested(Envelope, allow_none=True)
    published = fields.Nested(Published, allow_none=True)
    received = fields.Nested(Received, allow_none=True)
    caused = fields.List(fields.Nested(Envelope))
    remembers_received_since = Instant()


class EventsQuery(PageQuery):
    """Which events; those of one subject, or those made since a time."""

    subject = Text(64)
    type = Text(120)
    since = Instant()
    until = Instant()

    @validates_schema
    def _bounded(self, data: dict[str, Any], **_: Any) -> None:
        if not {"subject", "since"} & data.keys():
            raise ValidationError("Say subject or since.", "since")


_CONDITIONS = {
    "subject": event_log.c.subject.__eq__,
    "type": event_log.c.type.__eq__,
    "since": event_log.c.recorded_at.__ge__,
    "until": event_log.c.recorded_at.__lt__,
}


def events_blueprint(service_name: str) -> Blueprint:
    """List and trace; needs the permission ``<service>.events.read`` for all records."""
    permission = f"{service_name}.events.read"
    blueprint = Blueprint("events", __name__, url_prefix="/v1/events", description="Events")

    @blueprint.before_request
    def reads_all() -> None:
        if require(permission) != "all":  # an event has no owner
            raise forbidden(f"{permission} for all records")

    @blueprint.route("")
    class EventList(MethodView):
        @reads(permission)
        @blueprint.arguments(EventsQuery, location="query")
        @blueprint.response(200, page_schema(Envelope))
        def get(self, query: dict[str, Any], session: Session) -> Any:
            """The events that this service made, newest first, without their data."""
            limit = query["limit"]
            conditions = [ask(query[name]) for name, ask in _CONDITIONS.items() if name in query]
            found = event_trace.list_events(
                session, limit + 1, *conditions, after=query.get("cursor")
            )
            return page_of(found, limit, itemgetter("id"))

    @blueprint.route("/<uuid:event_id>")
    class EventById(MethodView):
        @reads(permission)
        @blueprint.response(200, EventTrace)
        def get(self, event_id: object, session: Session) -> Any:
            """What this service knows of an event, whoever made it."""
            return event_trace.trace(session, current_service(), str(event_id))

    return blueprint
