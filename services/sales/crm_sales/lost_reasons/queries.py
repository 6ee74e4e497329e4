"""Which reason is meant."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_sales.lost_reasons.models import LostReason


def spelling(session: Session, text: str) -> str:
    """A reason as the business spells it, whatever its capitals; free text stays as it is."""
    found = session.scalars(
        select(LostReason.name)
        .where(func.lower(LostReason.name) == text.lower(), LostReason.active)
        .order_by(LostReason.name)
        .limit(1)
    ).one_or_none()
    return found or text
