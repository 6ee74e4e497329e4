"""``/v1/kpis``"""

from __future__ import annotations

from typing import Any

import orjson
from flask import Response
from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.paging import page_schema
from crm_chassis.problems import Problem
from crm_chassis.web import Blueprint, reads
from crm_reporting.kpis.answers import as_of, facts_answer, figures_answer, funnel_answer
from crm_reporting.kpis.definitions import FUNNELS, KPIS
from crm_reporting.kpis.facts import facts, funnel_facts
from crm_reporting.kpis.figures import figures
from crm_reporting.kpis.funnels import funnel
from crm_reporting.kpis.kpi import Funnel, Kpi
from crm_reporting.kpis.questions import PERMISSION, question_of
from crm_reporting.kpis.schemas import (
    FactsQuery,
    FactView,
    KpiAnswer,
    KpiDefinitions,
    KpiQuery,
)

blueprint = Blueprint("kpis", __name__, url_prefix="/v1/kpis", description="KPIs")


def _asked(name: str) -> Kpi | Funnel:
    asked = KPIS.get(name) or FUNNELS.get(name)
    if asked is None:
        choice = ("name", "GET /v1/kpis lists them.")
        raise Problem(404, "not-found", "No such KPI.", errors=[choice])
    return asked


def _json(answer: dict[str, Any]) -> Response:
    """The answer as it is: rows by the thousand would take long through a schema."""
    return Response(orjson.dumps(answer), content_type="application/json")


@blueprint.route("")
class Kpis(MethodView):
    @reads(PERMISSION)
    @blueprint.response(200, KpiDefinitions)
    def get(self, session: Session) -> Any:
        """List the KPIs with their formulas and dimensions."""
        return {"items": [*KPIS.values(), *FUNNELS.values()]}


@blueprint.route("/<name>")
class KpiByName(MethodView):
    @reads(PERMISSION)
    @blueprint.arguments(KpiQuery, location="query")
    @blueprint.response(200, KpiAnswer)
    def get(self, query: dict[str, Any], name: str, session: Session) -> Response:
        """Answer a KPI, divided by period and dimension."""
        asked = _asked(name)
        question = question_of(session, asked, query)
        if isinstance(asked, Funnel):
            answer = funnel_answer(asked, question, funnel(asked, question), query["limit"])
        else:
            answer = figures_answer(asked, question, figures(asked, question), query["limit"])
        return _json(answer | {"as_of": instant_text(as_of(session))})


@blueprint.route("/<name>/facts")
class KpiFacts(MethodView):
    @reads(PERMISSION)
    @blueprint.arguments(FactsQuery, location="query")
    @blueprint.response(200, page_schema(FactView))
    def get(self, query: dict[str, Any], name: str, session: Session) -> Response:
        """List the facts behind a figure: what its components sum up."""
        asked = _asked(name)
        question = question_of(session, asked, query)
        limit, cursor = query["limit"], query.get("cursor")
        if isinstance(asked, Funnel):
            page = funnel_facts(asked, question, query.get("step", ""), limit, cursor)
        else:
            page = facts(asked, question, limit, cursor)
        return _json(facts_answer(asked, page))
