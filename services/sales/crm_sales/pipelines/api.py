"""``/v1/pipelines`` and ``/v1/stages``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.pipelines import commands, queries
from crm_sales.pipelines.models import Pipeline, Stage
from crm_sales.pipelines.schemas import (
    NewPipeline,
    PipelineChanges,
    PipelineView,
    Stages,
    StageView,
)

READ, WRITE = "sales.pipelines.read", "sales.pipelines.write"
READ_DEALS = "sales.opportunities.read"

LISTING = Listing(
    Pipeline,
    sorts={"name": Pipeline.name},
    default="name",
    filters={
        "key": equals(Pipeline.key),
        "active": equals(Pipeline.active, fields.Boolean),
        "is_default": equals(Pipeline.is_default, fields.Boolean),
    },
    search=[Pipeline.name],
)

blueprint = Blueprint("pipelines", __name__, url_prefix="/v1", description="Pipelines")


def _to_change(session: Session, key: str) -> Pipeline:
    pipeline = queries.lock(session, key)
    check_version(pipeline)
    return pipeline


@blueprint.route("/pipelines")
class Pipelines(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(PipelineView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Pipeline]:
        """List pipelines with their stages."""
        return LISTING.page(session, select(Pipeline), query)

    @writes(WRITE, act="pipeline.create", keeps=NewPipeline().fields)
    @blueprint.arguments(NewPipeline)
    @blueprint.response(201, PipelineView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a pipeline with its stages."""
        return versioned(session, commands.create(session, values))


@blueprint.route("/pipelines/<key>")
class PipelineByKey(MethodView):
    @reads(READ)
    @blueprint.response(200, PipelineView)
    def get(self, key: str, session: Session) -> Any:
        """Read a pipeline."""
        return versioned(session, queries.pipeline(session, key))

    @writes(WRITE, act="pipeline.change", keeps=PipelineChanges().fields, if_match=True)
    @blueprint.arguments(PipelineChanges)
    @blueprint.response(200, PipelineView)
    def patch(self, changes: dict[str, Any], key: str, session: Session) -> Any:
        """Rename a pipeline, take it out of use, or make it the default one."""
        pipeline = _to_change(session, key)
        commands.change(session, pipeline, changes)
        return versioned(session, pipeline)


@blueprint.route("/pipelines/<key>/stages")
class PipelineStages(MethodView):
    @reads(READ)
    @blueprint.response(200, StageView(many=True))
    def get(self, key: str, session: Session) -> Sequence[Stage]:
        """The stages of a pipeline, in order."""
        return queries.pipeline(session, key).stages

    @writes(WRITE, act="pipeline.set_stages", keeps=Stages().fields, if_match=True)
    @blueprint.arguments(Stages)
    @blueprint.response(200, PipelineView)
    def put(self, values: dict[str, Any], key: str, session: Session) -> Any:
        """Add, rename, reorder, deactivate and remove stages: say all of them as they shall be."""
        pipeline = _to_change(session, key)
        commands.arrange(session, pipeline, values["stages"])
        return versioned(session, pipeline)


@blueprint.route("/stages")
class AllStages(MethodView):
    @reads(READ_DEALS)
    @blueprint.response(200, StageView(many=True))
    def get(self, session: Session) -> Sequence[Stage]:
        """The stages of every pipeline, in order."""
        return queries.stages(session)
