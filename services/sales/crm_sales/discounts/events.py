"""What is told of discount limits."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.discounts.models import DiscountLimit


def _state(limit: DiscountLimit) -> dict[str, Any]:
    return {
        "id": limit.id,
        "role": limit.role,
        "max_percent": decimal_text(limit.max_percent),
    }


def limit_set(session: Session, limit: DiscountLimit) -> None:
    record(session, "crm.sales.discount_limit.set.v1", limit, _state)
