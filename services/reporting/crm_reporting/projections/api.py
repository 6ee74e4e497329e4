"""``/v1/projections``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import Schema, fields, validate
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import Instant
from crm_chassis.web import Blueprint, reads, writes
from crm_reporting.projections import jobs

READ, WRITE = "reporting.projections.read", "reporting.projections.write"


class JobRequest(Schema):
    """What to do with the projections."""

    kind = fields.String(
        required=True,
        validate=validate.OneOf(jobs.KINDS),
        metadata={
            "description": "rebuild: replace them with what the archive gives; verify: compare."
        },
    )


class Job(Schema):
    """A rebuild or a verification, and what came of it."""

    id = fields.String()
    kind = fields.String()
    state = fields.String(metadata={"description": "queued, running, done or failed"})
    requested_by = fields.String()
    requested_at = Instant()
    finished_at = Instant(allow_none=True)
    events = fields.Integer(allow_none=True)
    differences = fields.Integer(allow_none=True)
    examples = fields.List(fields.Dict(), allow_none=True)
    detail = fields.String(allow_none=True)


blueprint = Blueprint(
    "projections", __name__, url_prefix="/v1/projections", description="Projections"
)


@blueprint.route("/jobs")
class Jobs(MethodView):
    @writes(WRITE)
    @blueprint.arguments(JobRequest)
    @blueprint.response(202, Job)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Let the worker rebuild or verify the projections from the archived events."""
        return jobs.request(session, values["kind"], current_principal().id)


@blueprint.route("/jobs/<uuid:job_id>")
class JobById(MethodView):
    @reads(READ)
    @blueprint.response(200, Job)
    def get(self, job_id: object, session: Session) -> Any:
        """How far it is, and what came of it."""
        return jobs.find(session, str(job_id))
