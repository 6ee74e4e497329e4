"""What marketing publishes: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_marketing.campaigns.models import Campaign, StatusChange


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def campaign_state(campaign: Campaign) -> dict[str, Any]:
    return {
        "id": campaign.id,
        "external_id": campaign.external_id,
        "name": campaign.name,
        "channel": campaign.channel,
        "status": campaign.status,
        "budget": decimal_text(campaign.budget),
        "actual_cost": decimal_text(campaign.actual_cost),
        "currency": campaign.currency,
        "starts_on": _day(campaign.starts_on),
        "ends_on": _day(campaign.ends_on),
        "owner_id": campaign.owner_id,
        "team_id": campaign.team_id,
    }


def campaign_created(session: Session, campaign: Campaign) -> None:
    record(session, "crm.marketing.campaign.created.v1", campaign, campaign_state)


def campaign_changed(session: Session, campaign: Campaign) -> None:
    record(session, "crm.marketing.campaign.changed.v1", campaign, campaign_state)


def campaign_status_changed(session: Session, campaign: Campaign, change: StatusChange) -> None:
    record(
        session,
        "crm.marketing.campaign.status_changed.v1",
        campaign,
        campaign_state,
        change={"from_status": change.from_status, "to_status": change.to_status},
    )
