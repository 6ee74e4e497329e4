"""What can be done with lost reasons."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.problems import conflict
from crm_sales.lost_reasons import events
from crm_sales.lost_reasons.models import LostReason


def create(session: Session, values: dict[str, Any]) -> LostReason:
    """Add a reason to choose from."""
    _require_free(session, values["name"])
    reason = LostReason(**values)
    session.add(reason)
    events.reason_created(session, reason)
    return reason


def change(session: Session, reason: LostReason, changes: dict[str, Any]) -> bool:
    """Change the given fields; deals that were lost keep the name of then.

    :returns: False when they were so already; then nothing is told.
    """
    if "name" in changes and changes["name"].lower() != reason.name.lower():
        _require_free(session, changes["name"])
    if not change_fields(reason, changes):
        return False
    events.reason_changed(session, reason)
    return True


def _require_free(session: Session, name: str) -> None:
    taken = select(LostReason.id).where(func.lower(LostReason.name) == name.lower()).limit(1)
    if session.scalar(taken):
        raise conflict(f"There is a reason {name}.")
