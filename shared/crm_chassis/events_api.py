"""``/v1/events/parked``: what a service could not handle, for a person to decide."""

from __future__ import annotations

from typing import Any

import orjson
from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import inbox
from crm_chassis.auth import current_principal, require
from crm_chassis.database import Database
from crm_chassis.fields import Instant, Text
from crm_chassis.problems import conflict, not_found
from crm_chassis.processor import TRANSIENT, Processor
from crm_chassis.web import Blueprint, current_service

STATES = ("parked", "redriven", "discarded")


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


class ParkedPage(Schema):
    items = fields.List(fields.Nested(ParkedEvent))
    next_cursor = fields.String(allow_none=True)


class ParkedQuery(Schema):
    state = fields.String(load_default="parked", validate=validate.OneOf(STATES))
    limit = fields.Integer(load_default=25, validate=validate.Range(1, 200))
    cursor = fields.UUID()


class Discard(Schema):
    reason = Text(1000, required=True)


def list_parked(
    session: Session, state: str = "parked", limit: int = 25, after: str | None = None
) -> list[dict[str, Any]]:
    """Parked events in the order of parking, from the one after ``after`` on."""
    table = inbox.parked_events
    statement = select(table).where(table.c.state == state)
    if after is not None:
        at = select(table.c.parked_at).where(table.c.id == after).scalar_subquery()
        statement = statement.where(
            (table.c.parked_at > at) | ((table.c.parked_at == at) & (table.c.id > after))
        )
    rows = session.execute(statement.order_by(table.c.parked_at, table.c.id).limit(limit))
    return [{**row._mapping, "event": _readable(row.body)} for row in rows]


def _readable(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return body.decode("utf-8", "replace")


def redrive(database: Database, processor: Processor, parked_id: str, by: str) -> None:
    """Handle a parked event again.

    :raises Problem: 404 when it is not parked; 409 with the reason when the handler still cannot
        take it, which is kept with the event.
    """
    try:
        processor.redrive(parked_id, by)
    except inbox.NotParked:
        raise not_found("parked event") from None
    except TRANSIENT:
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        with database.transaction() as session:
            inbox.note_failure(session, parked_id, reason)
        raise conflict(f"It still cannot be handled: {reason}") from None


def discard(database: Database, parked_id: str, by: str, reason: str) -> None:
    """Give a parked event up, for a stated reason.

    :raises Problem: 404 when it is not parked.
    """
    with database.transaction() as session:
        try:
            inbox.take_parked(session, parked_id)
        except inbox.NotParked:
            raise not_found("parked event") from None
        inbox.settle(session, parked_id, "discarded", by, reason)


def one_parked(session: Session, parked_id: str) -> dict[str, Any]:
    """A parked event in whatever state.

    :raises Problem: 404.
    """
    table = inbox.parked_events
    row = session.execute(select(table).where(table.c.id == parked_id)).one_or_none()
    if row is None:
        raise not_found("parked event")
    return {**row._mapping, "event": _readable(row.body)}


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
        @blueprint.response(200, ParkedPage)
        def get(self, query: dict[str, Any]) -> Any:
            """Parked events, oldest first."""
            limit = query["limit"]
            after = str(query["cursor"]) if "cursor" in query else None
            with current_service().database.reading() as session:
                found = list_parked(session, query["state"], limit + 1, after)
            more = len(found) > limit
            return {
                "items": found[:limit],
                "next_cursor": found[limit - 1]["id"] if more else None,
            }

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
