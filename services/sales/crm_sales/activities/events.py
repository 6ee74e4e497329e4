"""What is told of activities."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_sales.activities.models import Activity


def activity_state(activity: Activity) -> dict[str, Any]:
    about = {activity.related_type: activity.related_id}
    return {
        "id": activity.id,
        "kind": activity.kind,
        "subject": activity.subject,
        "opportunity_id": about.get("opportunity"),
        "lead_id": about.get("lead"),
        "account_id": activity.account_id,
        "contact_id": activity.contact_id,
        "occurred_at": instant_text(activity.occurred_at),
        "owner_id": activity.owner_id,
        "team_id": activity.team_id,
    }


def activity_logged(session: Session, activity: Activity) -> None:
    record(session, "crm.sales.activity.logged.v1", activity, activity_state)


def activity_changed(session: Session, activity: Activity) -> None:
    record(session, "crm.sales.activity.changed.v1", activity, activity_state)
