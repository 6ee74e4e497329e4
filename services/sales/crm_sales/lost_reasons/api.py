"""``/v1/lost-reasons``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import changes_of
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.lost_reasons import commands
from crm_sales.lost_reasons.models import LostReason
from crm_sales.lost_reasons.schemas import LostReasonFields, LostReasonView

READ, WRITE = "sales.lost_reasons.read", "sales.lost_reasons.write"

LISTING = Listing(
    LostReason,
    sorts={"name": LostReason.name},
    default="name",
    filters={
        "name": equals(LostReason.name),
        "active": equals(LostReason.active, fields.Boolean),
    },
    search=[LostReason.name],
)

blueprint = Blueprint(
    "lost_reasons", __name__, url_prefix="/v1/lost-reasons", description="Lost reasons"
)


def _reason(session: Session, reason_id: object) -> LostReason:
    found = session.get(LostReason, str(reason_id))
    if found is None:
        raise not_found("lost reason")
    return found


@blueprint.route("")
class LostReasons(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(LostReasonView))
    def get(self, query: dict[str, Any], session: Session) -> Page[LostReason]:
        """List the reasons to choose from when a deal is lost."""
        return LISTING.page(session, select(LostReason), query)

    @writes(WRITE)
    @blueprint.arguments(LostReasonFields)
    @blueprint.response(201, LostReasonView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a reason."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/<uuid:reason_id>")
class LostReasonById(MethodView):
    @reads(READ)
    @blueprint.response(200, LostReasonView)
    def get(self, reason_id: object, session: Session) -> Any:
        """Read a reason."""
        return versioned(session, _reason(session, reason_id))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(LostReasonFields))
    @blueprint.response(200, LostReasonView)
    def patch(self, changes: dict[str, Any], reason_id: object, session: Session) -> Any:
        """Change a reason."""
        reason = _reason(session, reason_id)
        check_version(reason)
        commands.change(session, reason, changes)
        return versioned(session, reason)
