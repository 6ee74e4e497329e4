"""``/v1/settings/lifecycle`` and ``/v1/care-plans``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import changes_of
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_customer.lifecycle import commands, queries
from crm_customer.lifecycle.models import CarePlan
from crm_customer.lifecycle.schemas import (
    CarePlanFields,
    CarePlans,
    CarePlanView,
    LifecycleSettingsFields,
    LifecycleSettingsView,
)
from crm_customer.lifecycle.stages import STAGES

READ, WRITE = "customer.settings.read", "customer.settings.write"

blueprint = Blueprint("lifecycle", __name__, url_prefix="/v1", description="Life cycle")


@blueprint.route("/settings/lifecycle")
class Settings(MethodView):
    @reads(READ)
    @blueprint.response(200, LifecycleSettingsView)
    def get(self, session: Session) -> Any:
        """Read the rules of the life cycle."""
        return versioned(session, queries.settings(session))

    @writes(WRITE, act="settings.change", keeps=LifecycleSettingsFields().fields, if_match=True)
    @blueprint.arguments(changes_of(LifecycleSettingsFields))
    @blueprint.response(200, LifecycleSettingsView)
    def patch(self, changes: dict[str, Any], session: Session) -> Any:
        """Change the rules of the life cycle; all customers are looked at again."""
        settings = queries.settings(session)
        check_version(settings)
        commands.change_settings(session, settings, changes)
        return versioned(session, settings)


@blueprint.route("/care-plans")
class Plans(MethodView):
    @reads(READ)
    @blueprint.response(200, CarePlans)
    def get(self, session: Session) -> Any:
        """The care of each stage of the life cycle."""
        plans = {plan.stage: plan for plan in session.scalars(select(CarePlan))}
        return {"items": [plans[stage] for stage in STAGES]}


@blueprint.route("/care-plans/<stage>")
class PlanByStage(MethodView):
    @reads(READ)
    @blueprint.response(200, CarePlanView)
    def get(self, stage: str, session: Session) -> Any:
        """The care of a stage."""
        return versioned(session, _plan(session, stage))

    @writes(WRITE, act="settings.change", keeps=CarePlanFields().fields, if_match=True)
    @blueprint.arguments(changes_of(CarePlanFields))
    @blueprint.response(200, CarePlanView)
    def patch(self, changes: dict[str, Any], stage: str, session: Session) -> Any:
        """Change the care of a stage."""
        plan = _plan(session, stage)
        check_version(plan)
        commands.change_care(session, plan, changes)
        return versioned(session, plan)


def _plan(session: Session, stage: str) -> CarePlan:
    plan = session.scalar(select(CarePlan).where(CarePlan.stage == stage))
    if plan is None:
        raise not_found("stage")
    return plan
