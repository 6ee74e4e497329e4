"""``/v1/administrative-acts``: what operators and administrators did."""

from __future__ import annotations

from operator import itemgetter
from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy.orm import Session

from crm_chassis.fields import Instant, Text
from crm_chassis.operations.administration import LONGEST_ACTOR, LONGEST_SUBJECT, list_acts
from crm_chassis.paging import PageQuery, page_of, page_schema
from crm_chassis.web import Blueprint, reads


class AdministrativeAct(Schema):
    """Who did what to what, and when."""

    id = fields.String()
    at = Instant()
    actor = fields.String(
        metadata={"description": "A principal's id, operator:<system user>, or a service's name."}
    )
    act = fields.String(metadata={"example": "events.discard"})
    subject = fields.String(allow_none=True)
    detail = fields.Dict()
    correlation_id = fields.String(allow_none=True)


class ActsQuery(PageQuery):
    act = Text(60)
    actor = Text(LONGEST_ACTOR)
    subject = Text(LONGEST_SUBJECT)
    since = Instant()
    until = Instant()


def acts_blueprint(service_name: str) -> Blueprint:
    """The list; needs the permission ``<service>.administration.read``."""
    blueprint = Blueprint(
        "administrative_acts",
        __name__,
        url_prefix="/v1/administrative-acts",
        description="Administrative acts",
    )

    @blueprint.route("")
    class Acts(MethodView):
        @reads(f"{service_name}.administration.read")
        @blueprint.arguments(ActsQuery, location="query")
        @blueprint.response(200, page_schema(AdministrativeAct))
        def get(self, query: dict[str, Any], session: Session) -> Any:
            """What was administered, newest first."""
            limit = query.pop("limit")
            after = query.pop("cursor", None)
            return page_of(
                list_acts(session, limit + 1, after=after, **query), limit, itemgetter("id")
            )

    return blueprint
