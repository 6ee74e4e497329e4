"""What can be done with competitors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.imports import Row, upsert
from crm_sales.competitors import events
from crm_sales.competitors.models import Competitor


def create(session: Session, values: dict[str, Any]) -> Competitor:
    """Add a competitor."""
    competitor = Competitor(**values)
    session.add(competitor)
    events.competitor_created(session, competitor)
    return competitor


def change(session: Session, competitor: Competitor, changes: dict[str, Any]) -> bool:
    """Change the given fields.

    :returns: False when they were so already; then nothing is told.
    """
    if not change_fields(competitor, changes):
        return False
    events.competitor_changed(session, competitor)
    return True


def import_rows(session: Session, _principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert competitors by ``external_id`` or ``name``."""
    upsert(session, Competitor, key, rows, create=create, change=change)
