"""What can be done with pipelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.problems import conflict, invalid
from crm_sales.pipelines import events, queries
from crm_sales.pipelines.models import Pipeline


def create(session: Session, values: dict[str, Any]) -> Pipeline:
    """Add a pipeline with its stages.

    :raises Problem: 409 when the key is taken.
    """
    if session.scalar(select(Pipeline.id).where(Pipeline.key == values["key"])):
        raise conflict(f"There is a pipeline {values['key']}.")
    pipeline = Pipeline(key=values["key"], name=values["name"], stages=[])
    pipeline.arrange(values["stages"])
    session.add(pipeline)
    events.pipeline_created(session, pipeline)
    return pipeline


def change(session: Session, pipeline: Pipeline, changes: dict[str, Any]) -> bool:
    """Rename a pipeline, take it out of use, or make it the default one.

    :param pipeline: locked.
    :returns: False when it was so already; then nothing is told.
    :raises Problem: 422 for a default pipeline that is not in use.
    """
    after = {"active": pipeline.active, "is_default": pipeline.is_default} | changes
    if after["is_default"] and not after["active"]:
        raise invalid(("active", "The default pipeline is in use: make another one the default."))
    if after["is_default"] and not pipeline.is_default:
        _take_default(session)
    if not change_fields(pipeline, changes):
        return False
    events.pipeline_changed(session, pipeline)
    return True


def _take_default(session: Session) -> None:
    default = queries.default_pipeline(session)
    default.is_default = False
    session.flush()  # no two rows are the default one, not even for a moment
    events.pipeline_changed(session, default)


def arrange(session: Session, pipeline: Pipeline, stages: Sequence[Mapping[str, Any]]) -> bool:
    """Give a pipeline these stages, in this order; deals keep what they got on entry.

    :param pipeline: locked.
    :returns: False when it was so already; then nothing is told.
    :raises Problem: 409 when a stage that deals are in would go or get another type.
    """
    types = {values["key"]: values["type"] for values in stages}
    lost = [stage.key for stage in pipeline.stages if types.get(stage.key) != stage.type]
    if used := queries.in_use(session, pipeline.key, lost) if lost else ():
        raise conflict(f"There are deals in {', '.join(sorted(used))}: deactivate it instead.")
    if not pipeline.arrange(stages):
        return False
    events.pipeline_changed(session, pipeline)
    return True
