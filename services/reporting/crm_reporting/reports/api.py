"""``/v1/reports``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.problems import invalid
from crm_chassis.web import Blueprint, business_day, reads
from crm_reporting.kpis.answers import as_of
from crm_reporting.kpis.periods import last_of_month, months_later, months_of
from crm_reporting.kpis.questions import PERMISSION
from crm_reporting.reports.funnel import funnel_report
from crm_reporting.reports.sales import sales_report
from crm_reporting.reports.schemas import (
    FunnelReport,
    FunnelReportQuery,
    SalesReport,
    SalesReportQuery,
)

_YEAR = 12
_MOST_MONTHS = 120

blueprint = Blueprint("reports", __name__, url_prefix="/v1/reports", description="Reports")


@blueprint.route("/sales")
class Sales(MethodView):
    @reads(PERMISSION)
    @blueprint.arguments(SalesReportQuery, location="query")
    @blueprint.response(200, SalesReport)
    def get(self, query: dict[str, Any], session: Session) -> Any:
        """Sales, quantity, target and completion of each month."""
        last = last_of_month(query.get("last") or business_day())
        first = query.get("first", months_later(last, 1 - _YEAR)).replace(day=1)
        months = list(months_of(first, last))
        if not 0 < len(months) <= _MOST_MONTHS:
            raise invalid(("to", f"The report has 1 to {_MOST_MONTHS} months."))
        report = sales_report(session, months, query | {"first": first, "last": last})
        return report | {"as_of": as_of(session)}


@blueprint.route("/funnel")
class Funnel(MethodView):
    @reads(PERMISSION)
    @blueprint.arguments(FunnelReportQuery, location="query")
    @blueprint.response(200, FunnelReport)
    def get(self, query: dict[str, Any], session: Session) -> Any:
        """From lead to won deal, through the stages of the pipelines, and the time it took."""
        return funnel_report(session, query) | {"as_of": as_of(session)}
