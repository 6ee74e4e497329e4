"""``/v1/settings/work``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.fields import changes_of
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_sales.work_settings import queries
from crm_sales.work_settings.schemas import WorkSettingsFields, WorkSettingsView

READ, WRITE = "sales.settings.read", "sales.settings.write"

blueprint = Blueprint(
    "work_settings", __name__, url_prefix="/v1/settings/work", description="Settings of the work"
)


@blueprint.route("")
class Settings(MethodView):
    @reads(READ)
    @blueprint.response(200, WorkSettingsView)
    def get(self, session: Session) -> Any:
        """Read the rules of the daily work."""
        return versioned(session, queries.current(session))

    @writes(WRITE, act="settings.change", keeps=WorkSettingsFields().fields, if_match=True)
    @blueprint.arguments(changes_of(WorkSettingsFields))
    @blueprint.response(200, WorkSettingsView)
    def patch(self, changes: dict[str, Any], session: Session) -> Any:
        """Change rules of the daily work; they hold for what happens from now on."""
        settings = queries.current(session)
        check_version(settings)
        change_fields(settings, changes)
        return versioned(session, settings)
