"""The funnel report: from lead to won deal, and where the time goes."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_reporting.kpis.definitions import KPIS, LEAD_FUNNEL, STAGE_FUNNEL
from crm_reporting.kpis.figures import figures
from crm_reporting.kpis.funnels import FunnelStep, funnel
from crm_reporting.kpis.questions import question_of


def funnel_report(session: Session, query: dict[str, Any]) -> dict[str, Any]:
    """The steps from lead to won, the stages of the pipelines, and the mean days in each.

    Stages and days are everybody's: who sees less has the steps alone.
    """
    question = question_of(session, LEAD_FUNNEL, query)
    steps = [_step(step) for step in funnel(LEAD_FUNNEL, question)]
    if question.restricted:
        return {"steps": steps, "stages": [], "statuses": []}
    stages = funnel(STAGE_FUNNEL, question_of(session, STAGE_FUNNEL, query))
    in_stage = _days(session, "time_in_stage", query)
    in_status = _days(session, "time_in_status", query)
    return {
        "steps": steps,
        "stages": [_step(stage) | {"days": in_stage.get(stage.step[0])} for stage in stages],
        "statuses": [{"status": status, "days": days} for status, days in in_status.items()],
    }


def _days(session: Session, name: str, query: dict[str, Any]) -> dict[str, Any]:
    kpi = KPIS[name]
    found = figures(kpi, question_of(session, kpi, query))
    return {row.member: row.value for row in found.rows}


def _step(step: FunnelStep) -> dict[str, Any]:
    id_, title = step.step
    return {
        "step": id_,
        "title": title,
        "count": step.count,
        "conversion": step.conversion,
        "loss": step.loss,
    }
