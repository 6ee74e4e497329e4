"""``/v1/activities``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import Instant, Reference
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_sales import related
from crm_sales.activities import commands
from crm_sales.activities.models import Activity
from crm_sales.activities.schemas import RELATED, ActivityFields, ActivityView

READ, WRITE = "sales.activities.read", commands.WRITE

LISTING = Listing(
    Activity,
    sorts={"occurred_at": Activity.occurred_at},
    default="-occurred_at",
    filters={
        "kind": equals(Activity.kind),
        "related_type": equals(Activity.related_type),
        "related_id": equals(Activity.related_id, Reference),
        "account_id": equals(Activity.account_id, Reference),
        "contact_id": equals(Activity.contact_id, Reference),
        "owner_id": equals(Activity.owner_id, Reference),
        "occurred_at_from": at_least(Activity.occurred_at, Instant),
        "occurred_at_to": at_most(Activity.occurred_at, Instant),
    },
    search=[Activity.subject],
)

blueprint = Blueprint("activities", __name__, url_prefix="/v1/activities", description="Activities")


def _visible_activities() -> Select[tuple[Activity]]:
    visible = related.visible_related(Activity.related_type, Activity.related_id, RELATED)
    return select(Activity).where(visible)


@blueprint.route("")
class Activities(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ActivityView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Activity]:
        """List activities, the latest first."""
        return LISTING.page(session, _visible_activities(), query)

    @writes(WRITE)
    @blueprint.arguments(ActivityFields)
    @blueprint.response(201, ActivityView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Log a call, an email, a meeting or what else was done."""
        return versioned(session, commands.log(session, current_principal(), values))


@blueprint.route("/<uuid:activity_id>")
class ActivityById(MethodView):
    @reads(READ)
    @blueprint.response(200, ActivityView)
    def get(self, activity_id: object, session: Session) -> Any:
        """Read an activity."""
        statement = _visible_activities().where(Activity.id == str(activity_id))
        found = session.scalars(statement).one_or_none()
        if found is None:
            raise not_found("activity")
        return versioned(session, found)


EXPORT = Export("activities", ActivityView, LISTING, _visible_activities, READ)
