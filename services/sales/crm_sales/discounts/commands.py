"""What can be done with discount limits."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_sales.discounts import events
from crm_sales.discounts.models import DiscountLimit


def put(session: Session, role: str, max_percent: Decimal | None) -> DiscountLimit:
    """Set the most that a role may let off; a second time replaces the first."""
    limit = session.scalars(
        select(DiscountLimit).where(DiscountLimit.role == role).with_for_update()
    ).one_or_none()
    if limit is None:
        limit = DiscountLimit(role=role, max_percent=max_percent)
        session.add(limit)
    elif not change_fields(limit, {"max_percent": max_percent}):
        return limit
    events.limit_set(session, limit)
    return limit
