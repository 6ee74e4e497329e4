"""What can be done with discount limits."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_sales.discounts import events
from crm_sales.discounts.models import DiscountLimit


def put(session: Session, limit: DiscountLimit, max_percent: Decimal | None) -> DiscountLimit:
    """Set the most that a role may let off; a second time replaces the first.

    :param limit: as :func:`crm_sales.discounts.queries.limit_to_set` gives it.
    :returns: the limit as it is stored.
    """
    if limit.version == 0:
        limit = DiscountLimit(role=limit.role, max_percent=max_percent)
        session.add(limit)
    elif not change_fields(limit, {"max_percent": max_percent}):
        return limit
    events.limit_set(session, limit)
    return limit
