"""What life cycles tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_customer.lifecycle.models import CarePlan, Lifecycle, LifecycleSettings
from crm_customer.lifecycle.stages import Move


def lifecycle_moved(
    session: Session,
    lifecycle: Lifecycle,
    owner_id: str | None,
    team_id: str | None,
    move: Move,
) -> None:
    """:param owner_id: whose the customer is, and ``team_id`` the team's."""

    def state(moved: Lifecycle) -> dict[str, Any]:
        return {
            "id": moved.id,
            "customer_type": moved.customer_type,
            "stage": moved.stage,
            "since": moved.since.isoformat(),
            "owner_id": owner_id,
            "team_id": team_id,
        }

    change = {
        "from_stage": move.from_stage,
        "to_stage": move.to_stage,
        "seconds_in_stage": move.seconds_in_stage,
        "on": move.on.isoformat(),
    }
    record(session, "crm.customer.lifecycle.moved.v1", lifecycle, state, change=change)


def settings_set(session: Session, settings: LifecycleSettings) -> None:
    record(session, "crm.customer.lifecycle_settings.set.v1", settings, _settings_state)


def _settings_state(settings: LifecycleSettings) -> dict[str, Any]:
    return {"id": settings.id, "lapse_days": settings.lapse_days}


def care_plan_set(session: Session, plan: CarePlan) -> None:
    record(session, "crm.customer.care_plan.set.v1", plan, _care_plan_state)


def _care_plan_state(plan: CarePlan) -> dict[str, Any]:
    return {"id": plan.id, "stage": plan.stage, "care": plan.care}
