"""``/v1/events/replays``: send events of the log to one consumer again."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.database import utc_now
from crm_chassis.fields import Instant, Text
from crm_chassis.operations.replay import CannotReplay, Selection, types_for
from crm_chassis.operations.replay_jobs import STATES, ask_for, cancel, event_replays
from crm_chassis.paging import PageQuery, page_of, page_schema
from crm_chassis.problems import conflict, invalid, not_found
from crm_chassis.web import Blueprint, current_service, reads, writes

MOST_PER_SECOND = 100_000


class NewReplay(Schema):
    consumer = Text(60, required=True)
    since = Instant(required=True)
    until = Instant()  # now when it is left out
    types = fields.List(Text(120), load_default=list, validate=validate.Length(0, 100))
    subject = Text(64, load_default=None, allow_none=True)
    per_second = fields.Integer(
        load_default=None, allow_none=True, validate=validate.Range(1, MOST_PER_SECOND)
    )


class ReplayState(Schema):
    """How far a replay is."""

    id = fields.String()
    consumer = fields.String()
    since = Instant()
    until = Instant()
    types = fields.List(fields.String())
    subject = fields.String(allow_none=True)
    per_second = fields.Integer(allow_none=True)
    state = fields.String(validate=validate.OneOf(STATES))
    total = fields.Integer()
    published = fields.Integer()
    cursor = fields.String(allow_none=True)
    detail = fields.String(allow_none=True)
    requested_by = fields.String()
    requested_at = Instant()
    finished_at = Instant(allow_none=True)


def _selection(new: dict[str, Any]) -> Selection:
    service = current_service()
    try:
        types = types_for(service.catalogue, service.name, new["consumer"], new["types"])
    except CannotReplay as error:
        field = "types" if new["types"] else "consumer"
        raise invalid((field, f"{error}.")) from None
    return Selection(
        consumer=new["consumer"],
        since=new["since"],
        until=new.get("until", utc_now()),
        types=types,
        subject=new["subject"],
    )


def one_replay(session: Session, job_id: object) -> Any:
    """A replay in whatever state.

    :raises Problem: 404.
    """
    statement = select(event_replays).where(event_replays.c.id == str(job_id))
    job = session.execute(statement).one_or_none()
    if job is None:
        raise not_found("replay")
    return job


def replays_blueprint(service_name: str) -> Blueprint:
    """Ask for, watch and end replays; needs the permission ``<service>.events.replay``."""
    permission = f"{service_name}.events.replay"
    blueprint = Blueprint(
        "replays", __name__, url_prefix="/v1/events/replays", description="Replays of events"
    )

    @blueprint.route("")
    class Replays(MethodView):
        @reads(permission)
        @blueprint.arguments(PageQuery, location="query")
        @blueprint.response(200, page_schema(ReplayState))
        def get(self, query: dict[str, Any], session: Session) -> Any:
            """Replays, newest first."""
            limit = query["limit"]
            statement = select(event_replays).order_by(event_replays.c.id.desc()).limit(limit + 1)
            if "cursor" in query:
                statement = statement.where(event_replays.c.id < query["cursor"])
            return page_of(session.execute(statement).all(), limit, attrgetter("id"))

        @writes(permission)
        @blueprint.arguments(NewReplay)
        @blueprint.response(201, ReplayState)
        def post(self, new: dict[str, Any], session: Session) -> Any:
            """Have the worker send events to one consumer again."""
            selection = _selection(new)
            job_id = ask_for(session, selection, new["per_second"], current_principal().id)
            return one_replay(session, job_id)

    @blueprint.route("/<uuid:job_id>")
    class ReplayById(MethodView):
        @reads(permission)
        @blueprint.response(200, ReplayState)
        def get(self, job_id: object, session: Session) -> Any:
            """How far a replay is."""
            return one_replay(session, job_id)

    @blueprint.route("/<uuid:job_id>/cancel")
    class Cancel(MethodView):
        @writes(permission)
        @blueprint.response(200, ReplayState)
        def post(self, job_id: object, session: Session) -> Any:
            """End a replay where it is."""
            job = one_replay(session, job_id)
            if not cancel(session, job.id):
                raise conflict(f"The replay is {job.state}.")
            return one_replay(session, job_id)

    return blueprint
