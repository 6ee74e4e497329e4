"""What is told of follow-ups."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_sales.follow_ups.models import FollowUp
from crm_sales.opportunities.models import Opportunity


def follow_up_due(
    session: Session, follow_up: FollowUp, opportunity: Opportunity, idle_since: datetime
) -> None:
    """Nothing was done about an open deal for too long."""
    told_at = follow_up.due_told_at or follow_up.updated_at
    data = {
        "id": follow_up.id,
        "opportunity_id": opportunity.id,
        "account_id": opportunity.account_id,
        "contact_id": opportunity.contact_id,
        "owner_id": opportunity.owner_id,
        "team_id": opportunity.team_id,
        "last_activity_at": instant_text(follow_up.last_activity_at),
        "idle_since": instant_text(idle_since),
        "idle_days": (told_at - idle_since).days,
    }
    record(session, "crm.sales.follow_up.due.v1", follow_up, lambda _: dict(data))
