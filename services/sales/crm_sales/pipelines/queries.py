"""What is asked about pipelines and their stages."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from crm_chassis.problems import invalid, not_found
from crm_sales.opportunities.models import Opportunity
from crm_sales.pipelines.models import Pipeline, Stage


def pipeline(session: Session, key: str) -> Pipeline:
    """A pipeline by its key.

    :raises Problem: 404.
    """
    found = session.scalars(select(Pipeline).where(Pipeline.key == key)).one_or_none()
    if found is None:
        raise not_found("pipeline")
    return found


def lock(session: Session, key: str) -> Pipeline:
    """A pipeline that is to be changed, locked with its stages and with the default one.

    :raises Problem: 404.
    """
    found = session.scalars(
        select(Pipeline)
        .where(or_(Pipeline.key == key, Pipeline.is_default))
        .order_by(Pipeline.id)
        .with_for_update()
    ).all()
    session.scalars(
        select(Stage).where(Stage.pipeline == key).order_by(Stage.key).with_for_update()
    ).all()
    for each in found:
        if each.key == key:
            session.refresh(each, ["stages"])  # as they are now that nobody else changes them
            return each
    raise not_found("pipeline")


def default_pipeline(session: Session) -> Pipeline:
    """Where a deal is opened that names no pipeline."""
    return session.scalars(select(Pipeline).where(Pipeline.is_default)).one()


def default_key(session: Session) -> str:
    """Its key alone."""
    return session.scalars(select(Pipeline.key).where(Pipeline.is_default)).one()


def stages(session: Session) -> Sequence[Stage]:
    """Every stage of every pipeline, in order."""
    return session.scalars(select(Stage).order_by(Stage.pipeline, Stage.position)).all()


def stage_to_enter(session: Session, pipeline_key: str, key: str) -> Stage:
    """A stage that a deal is about to come into, kept from being changed meanwhile.

    :raises Problem: 422 when the pipeline has no such stage, or it is not in use any more.
    """
    found = stages_to_enter(session, [pipeline_key], key).get(pipeline_key)
    if found is None:
        raise invalid(("stage", f"The pipeline {pipeline_key} has no such stage in use."))
    return found


def stages_to_enter(session: Session, pipeline_keys: Collection[str], key: str) -> dict[str, Stage]:
    """The active stage with this key of each pipeline that has one, as :func:`stage_to_enter`."""
    found = session.scalars(
        select(Stage)
        .where(Stage.pipeline.in_(pipeline_keys), Stage.key == key)
        .order_by(Stage.pipeline)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    )
    return {stage.pipeline: stage for stage in found if stage.active}


def first_stage(session: Session, type_: str, pipeline_key: str) -> Stage:
    """The first active stage of a type, kept from being changed meanwhile.

    Every pipeline has one of each type that a deal begins and ends with.
    """
    return session.scalars(
        select(Stage)
        .where(Stage.pipeline == pipeline_key, Stage.type == type_, Stage.active)
        .order_by(Stage.position)
        .limit(1)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).one()


def in_use(session: Session, pipeline_key: str, keys: Collection[str]) -> Sequence[str]:
    """Those of a pipeline's stages that a deal is in."""
    there = exists().where(Opportunity.pipeline == Stage.pipeline, Opportunity.stage == Stage.key)
    return session.scalars(
        select(Stage.key).where(Stage.pipeline == pipeline_key, Stage.key.in_(keys), there)
    ).all()


def is_active(session: Session, key: str) -> bool:
    """Whether there is a pipeline that deals may come into."""
    return bool(session.scalar(select(Pipeline.active).where(Pipeline.key == key)))


def lock_stages(session: Session) -> Sequence[Stage]:
    """Every stage of every pipeline, in order, kept from being changed meanwhile."""
    return session.scalars(
        select(Stage)
        .order_by(Stage.pipeline, Stage.position)
        .with_for_update(read=True)
        .execution_options(populate_existing=True)
    ).all()
