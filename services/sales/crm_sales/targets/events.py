"""What is told of targets."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.targets.models import Target


def target_set(session: Session, target: Target) -> None:
    """Both versions tell of one change; the first knows sales alone, of teams and people."""
    record(session, "crm.sales.target.set.v2", target, target_state)
    if target.measure == "sales" and target.member_id is not None:
        record(session, "crm.sales.target.set.v1", target, _state_before_measures)


def target_state(target: Target) -> dict[str, Any]:
    return {**_state_before_measures(target), "measure": target.measure}


def _state_before_measures(target: Target) -> dict[str, Any]:
    return {
        "id": target.id,
        "external_id": target.external_id,
        "scope": target.scope,
        "member_id": target.member_id,
        "month": target.month,
        "amount": decimal_text(target.amount),
        "quantity": target.quantity,
        "currency": target.currency,
    }
