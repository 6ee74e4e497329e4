"""The stages that deals pass, learnt from the deals."""

from __future__ import annotations

from collections import defaultdict

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_reporting.projections.tables import STANDING


def passed_stages(session: Session) -> dict[str, list[tuple[int, str]]]:
    """Pipeline to its open and won stages, as (order, stage) in order."""
    table = STANDING["pipeline_stages"].c
    statement = select(table.pipeline, table.stage_order, table.stage)
    stages: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for pipeline, order, stage in session.execute(
        statement.where(table.stage_type.in_(["open", "won"]))
    ):
        stages[pipeline].append((order, stage))
    return {pipeline: sorted(found) for pipeline, found in stages.items()}
