"""The stages that deals pass: as their pipeline has them, or as the deals told of them."""

from __future__ import annotations

from collections import defaultdict

import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_reporting.projections.tables import STANDING

_PASSED = ("open", "won")


def passed_stages(session: Session) -> dict[str, list[tuple[int, str]]]:
    """Pipeline to its open and won stages, as (order, stage) in order, each stage once.

    A pipeline that was never told of has the stages that its deals were in, where they were last.
    """
    table = STANDING["pipeline_stages"].c
    statement = select(table.pipeline, table.stage, table.stage_order)
    stages: dict[str, dict[str, int]] = defaultdict(dict)
    for pipeline, stage, order in session.execute(
        statement.where(table.stage_type.in_(_PASSED)).order_by(table.stage_order)
    ):
        stages[pipeline][stage] = order
    pipelines = STANDING["pipelines"].c
    for key, told in session.execute(select(pipelines.key, pipelines.stages)):
        stages[key] = {stage: place for place, stage, kind in orjson.loads(told) if kind in _PASSED}
    return {
        pipeline: sorted((order, stage) for stage, order in places.items())
        for pipeline, places in stages.items()
    }


def stage_reached(furthest: str, places: dict[str, int]) -> int:
    """The place that the furthest stage of a deal has now; where it has none, what it had then.

    :param furthest: the stage, as :func:`~crm_reporting.projections.observations.furthest` has it.
    :param places: stage to its place.
    """
    _, order, *stage = furthest.split("/")  # the version before this one left the stage out
    return places.get(stage[0], int(order)) if stage else int(order)
