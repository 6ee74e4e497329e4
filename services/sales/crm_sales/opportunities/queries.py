"""What is asked about opportunities and their stages."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.problems import invalid
from crm_sales.opportunities.models import DEFAULT_PIPELINE, Stage, StageEntry


def stages(session: Session) -> Sequence[Stage]:
    """Every stage of every pipeline, in order."""
    return session.scalars(select(Stage).order_by(Stage.pipeline, Stage.position)).all()


def stage(session: Session, key: str, pipeline: str = DEFAULT_PIPELINE) -> Stage:
    """A stage by its key.

    :raises Problem: 422 when the pipeline has no such stage.
    """
    found = session.get(Stage, (pipeline, key))
    if found is None:
        raise invalid(("stage", f"The pipeline {pipeline} has no such stage."))
    return found


def first_stage(session: Session, type_: str, pipeline: str = DEFAULT_PIPELINE) -> Stage:
    """The first stage of a type; every pipeline has one of each type it closes with."""
    return session.scalars(
        select(Stage)
        .where(Stage.pipeline == pipeline, Stage.type == type_)
        .order_by(Stage.position)
        .limit(1)
    ).one()


def stage_log(session: Session, opportunity_id: str) -> Sequence[StageEntry]:
    """The way of one opportunity, oldest first."""
    return session.scalars(
        select(StageEntry)
        .where(StageEntry.opportunity_id == opportunity_id)
        .order_by(StageEntry.entered_at, StageEntry.id)
    ).all()
