"""What is told of leads: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.leads.models import Conversion, Lead, StatusChange


def lead_state(lead: Lead) -> dict[str, Any]:
    return {
        "id": lead.id,
        "external_id": lead.external_id,
        "name": lead.name,
        "company": lead.company,
        "job_title": lead.job_title,
        "phone": lead.phone,
        "email": lead.email,
        "industry": lead.industry,
        "region": lead.region,
        "source": lead.source,
        "score": lead.score,
        "status": lead.status,
        "campaign_id": lead.campaign_id,
        "owner_id": lead.owner_id,
        "team_id": lead.team_id,
        "created_on": lead.created_on.isoformat(),
        "converted_on": day_text(lead.converted_on),
        "account_id": lead.account_id,
        "contact_id": lead.contact_id,
        "opportunity_id": lead.opportunity_id,
    }


def lead_created(session: Session, lead: Lead) -> None:
    record(session, "crm.sales.lead.created.v1", lead, lead_state)


def lead_changed(session: Session, lead: Lead) -> None:
    record(session, "crm.sales.lead.changed.v1", lead, lead_state)


def lead_status_changed(session: Session, lead: Lead, change: StatusChange) -> None:
    record(
        session,
        "crm.sales.lead.status_changed.v1",
        lead,
        lead_state,
        change={
            "from_status": change.from_status,
            "to_status": change.to_status,
            "seconds_in_status": change.seconds,
        },
    )


def lead_reminded(session: Session, lead: Lead, now: datetime) -> None:
    """A new lead waited too long for its first contact."""
    waited = max(0, int((now - lead.status_since).total_seconds()))
    record(
        session,
        "crm.sales.lead.reminded.v1",
        lead,
        lead_state,
        change={"seconds_in_status": waited},
    )


def lead_converted(session: Session, lead: Lead, conversion: Conversion) -> None:
    """Tells customer which account and contact come to be."""
    ownership = {"source": lead.source, "owner_id": lead.owner_id, "team_id": lead.team_id}
    account = {
        "id": conversion.account_id,
        "name": conversion.account_name,
        "industry": lead.industry,
        "region": lead.region,
        **ownership,
    }
    contact = {
        "id": conversion.contact_id,
        "account_id": conversion.account_id,
        "name": lead.name,
        "job_title": lead.job_title,
        "phone": lead.phone,
        "email": lead.email,
        **ownership,
    }
    record(
        session,
        "crm.sales.lead.converted.v1",
        lead,
        lead_state,
        change={
            "from_status": conversion.change.from_status,
            "seconds_in_status": conversion.change.seconds,
            "account": account,
            "contact": contact,
        },
    )
