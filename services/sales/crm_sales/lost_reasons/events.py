"""What is told of lost reasons."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.lost_reasons.models import LostReason


def _state(reason: LostReason) -> dict[str, Any]:
    return {"id": reason.id, "name": reason.name, "active": reason.active}


def reason_created(session: Session, reason: LostReason) -> None:
    record(session, "crm.sales.lost_reason.created.v1", reason, _state)


def reason_changed(session: Session, reason: LostReason) -> None:
    record(session, "crm.sales.lost_reason.changed.v1", reason, _state)
