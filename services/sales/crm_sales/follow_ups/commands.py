"""What is done about deals that nobody does anything about."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, case, or_, select
from sqlalchemy.orm import Session

from crm_chassis.database import insert_into, utc_now
from crm_chassis.scheduler import Recurring
from crm_sales.follow_ups import events
from crm_sales.follow_ups.models import FollowUp
from crm_sales.opportunities.models import Opportunity
from crm_sales.work_settings import queries as work_settings

_BATCH = 200


def touch(session: Session, opportunity_id: str, at: datetime) -> None:
    """Remember that something was done about a deal; what was done later counts."""
    now = utc_now()
    insert = insert_into(session, FollowUp).values(
        id=opportunity_id, version=1, created_at=now, updated_at=now, last_activity_at=at
    )
    stored, given = FollowUp.last_activity_at, insert.excluded.last_activity_at
    later = or_(stored.is_(None), stored < given)
    session.execute(
        insert.on_conflict_do_update(
            index_elements=["id"],
            set_={
                "version": FollowUp.version + 1,
                "updated_at": now,
                "last_activity_at": case((later, given), else_=stored),
                "due_told_at": case((later, None), else_=FollowUp.due_told_at),
            },
        )
    )


def tell_due(session: Session, now: datetime) -> bool:
    """Tell of open deals in which nothing was done for too long, each once.

    A deal counts as done something about when it enters a stage and when an activity is logged.

    :returns: True when there may be more.
    """
    days = work_settings.current(session).follow_up_days
    if days is None:
        return False
    idle = session.execute(
        select(Opportunity, FollowUp)
        .outerjoin(FollowUp, FollowUp.id == Opportunity.id)
        .where(_idle_since_before(now - timedelta(days=days)))
        .order_by(Opportunity.stage_since, Opportunity.id)
        .limit(_BATCH)
    ).all()
    for opportunity, known in idle:
        follow_up = known or FollowUp(id=opportunity.id)
        session.add(follow_up)
        follow_up.due_told_at = now
        since = max(opportunity.stage_since, follow_up.last_activity_at or opportunity.stage_since)
        events.follow_up_due(session, follow_up, opportunity, since)
    return len(idle) == _BATCH


def _idle_since_before(moment: datetime) -> ColumnElement[bool]:
    told = FollowUp.due_told_at
    not_told = or_(told.is_(None), told < Opportunity.stage_since)
    last = FollowUp.last_activity_at
    return and_(
        Opportunity.stage_type == "open",
        Opportunity.stage_since < moment,
        or_(last.is_(None), last < moment),
        not_told,
    )


RECURRING = Recurring("sales.follow_ups", timedelta(minutes=15), tell_due)
