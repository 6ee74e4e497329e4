"""What is told of pipelines."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.pipelines.models import Pipeline

_STAGE = ("key", "name", "position", "type", "probability", "active", "required_fields")


def _state(pipeline: Pipeline) -> dict[str, Any]:
    return {
        "id": pipeline.id,
        "key": pipeline.key,
        "name": pipeline.name,
        "active": pipeline.active,
        "is_default": pipeline.is_default,
        "stages": [{name: getattr(stage, name) for name in _STAGE} for stage in pipeline.stages],
    }


def pipeline_created(session: Session, pipeline: Pipeline) -> None:
    record(session, "crm.sales.pipeline.created.v1", pipeline, _state)


def pipeline_changed(session: Session, pipeline: Pipeline) -> None:
    record(session, "crm.sales.pipeline.changed.v1", pipeline, _state)
