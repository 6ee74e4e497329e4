"""``/v1/inbox``"""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.database import utc_now
from crm_chassis.web import Blueprint, current_service, reads
from crm_sales.inbox import queries
from crm_sales.inbox.models import Day
from crm_sales.inbox.schemas import Inbox, InboxQuery

READ = "sales.inbox.read"

blueprint = Blueprint("inbox", __name__, url_prefix="/v1/inbox", description="Inbox")


@blueprint.route("")
class OwnInbox(MethodView):
    @reads(READ)
    @blueprint.arguments(InboxQuery, location="query")
    @blueprint.response(200, Inbox)
    def get(self, query: dict[str, Any], session: Session) -> Any:
        """What waits for the one who asks: leads, tasks, follow-ups, orders, mentions and more."""
        zone = current_service().settings.zone
        if "time_zone" in query:
            zone = ZoneInfo(query["time_zone"])
        day = Day.at(utc_now(), zone)
        return queries.inbox(session, current_principal(), day, query["limit"])
