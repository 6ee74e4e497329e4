"""What is asked about the settings."""

from __future__ import annotations

from sqlalchemy.orm import Session

from crm_sales.work_settings.models import WORK_SETTINGS_ID, WorkSettings


def current(session: Session) -> WorkSettings:
    """The settings as they stand."""
    return session.get_one(WorkSettings, WORK_SETTINGS_ID)
