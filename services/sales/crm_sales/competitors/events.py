"""What is told of competitors."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.competitors.models import Competitor


def _state(competitor: Competitor) -> dict[str, Any]:
    return {
        "id": competitor.id,
        "external_id": competitor.external_id,
        "name": competitor.name,
        "website": competitor.website,
        "strengths": competitor.strengths,
        "weaknesses": competitor.weaknesses,
        "active": competitor.active,
    }


def competitor_created(session: Session, competitor: Competitor) -> None:
    record(session, "crm.sales.competitor.created.v1", competitor, _state)


def competitor_changed(session: Session, competitor: Competitor) -> None:
    record(session, "crm.sales.competitor.changed.v1", competitor, _state)
