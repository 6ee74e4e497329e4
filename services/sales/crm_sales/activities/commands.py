"""What can be done with activities."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales import related
from crm_sales.activities import events
from crm_sales.activities.models import CONTACTS, Activity
from crm_sales.follow_ups import commands as follow_ups
from crm_sales.leads import commands as leads
from crm_sales.leads.models import Lead
from crm_sales.work_settings import queries as work_settings

WRITE = "sales.activities.write"
_CLOCKS_DIFFER = timedelta(minutes=5)


def log(session: Session, principal: Principal, values: dict[str, Any]) -> Activity:
    """Write down what was done; now, unless said otherwise.

    :raises Problem: 422 when it is about something that is not there or not visible, or is yet to
        come.
    """
    now = utc_now()
    if values.setdefault("occurred_at", now) > now + _CLOCKS_DIFFER:
        raise invalid(("occurred_at", "It is yet to come: make it a task."))
    about = related.named(session, values["related_type"], values["related_id"])
    if "contact_id" in values:
        related.named(session, "contact", values["contact_id"], "contact_id")
    activity = Activity(**{"id": new_id()} | about.columns() | values)
    assign(session, activity, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(activity)
    events.activity_logged(session, activity)
    if about.type == "opportunity":
        follow_ups.touch(session, about.id, activity.occurred_at)
    if about.type == "lead" and activity.kind in CONTACTS:
        _contacted(session, about.id)
    return activity


def _contacted(session: Session, lead_id: str) -> None:
    """Let a new lead be contacted, where the settings say so."""
    if not work_settings.current(session).activity_contacts_lead:
        return
    lead = session.scalars(select(Lead).where(Lead.id == lead_id).with_for_update()).one()
    if lead.status == "new":
        leads.move(session, lead, "contacted")
