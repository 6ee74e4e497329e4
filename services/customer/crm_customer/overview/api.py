"""``/v1/accounts/<id>/overview`` and ``.../timeline``, the same of contacts, and
``/v1/behaviour/summary``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import Schema
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one
from crm_chassis.paging import Page, page_schema
from crm_chassis.web import Blueprint, reads
from crm_customer.kinds import ACCOUNT, CONTACT, Kind
from crm_customer.overview.past import Entry, past
from crm_customer.overview.queries import Overview, overview
from crm_customer.overview.rights import BEHAVIOUR
from crm_customer.overview.schemas import (
    AccountOverview,
    BehaviourSummaries,
    ContactOverview,
    EntryView,
    SummaryQuery,
    TimelineQuery,
)
from crm_customer.overview.summary import summaries

blueprint = Blueprint("overview", __name__, url_prefix="/v1", description="360-degree view")


def _route(kind: Kind, whole: type[Schema]) -> None:
    path = f"/{kind.name}s/<uuid:customer_id>"

    @blueprint.route(f"{path}/overview", endpoint=f"{kind.name}_overview")
    class OverviewOfCustomer(MethodView):
        @reads(kind.read)
        @blueprint.response(200, whole)
        def get(self, customer_id: object, session: Session) -> Overview:
            """All that is known of a customer, each part for those with the right to it."""
            return overview(session, kind, customer_id)

    @blueprint.route(f"{path}/timeline", endpoint=f"{kind.name}_timeline")
    class TimelineOfCustomer(MethodView):
        @reads(kind.read)
        @blueprint.arguments(TimelineQuery, location="query")
        @blueprint.response(200, page_schema(EntryView))
        def get(self, query: dict[str, Any], customer_id: object, session: Session) -> Page[Entry]:
            """What happened with a customer, newest first."""
            customer = visible_one(session, kind.model, customer_id, kind.read)
            return past(
                session, kind, customer.id, query["kind"], query.get("cursor"), query["limit"]
            )


_route(ACCOUNT, AccountOverview)
_route(CONTACT, ContactOverview)


@blueprint.route("/behaviour/summary")
class SummaryOfBehaviour(MethodView):
    @reads(BEHAVIOUR)
    @blueprint.arguments(SummaryQuery, location="query")
    @blueprint.response(200, BehaviourSummaries)
    def get(self, query: dict[str, Any], session: Session) -> dict[str, Any]:
        """How all customers behave together: purchases, repeat rate, gaps and spend."""
        return {"items": summaries(session, query.get("currency"))}
