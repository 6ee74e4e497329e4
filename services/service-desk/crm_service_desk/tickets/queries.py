"""What is asked about tickets."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_service_desk.tickets.models import StatusEntry


def status_log(session: Session, ticket_id: str) -> Sequence[StatusEntry]:
    """The way of one ticket, oldest first."""
    return session.scalars(
        select(StatusEntry)
        .where(StatusEntry.ticket_id == ticket_id)
        .order_by(StatusEntry.entered_at, StatusEntry.id)
    ).all()
