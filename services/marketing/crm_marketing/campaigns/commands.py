"""What can be done with campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields, default_owner, owned_by
from crm_chassis.auth import Principal
from crm_chassis.database import new_id
from crm_chassis.imports import Row, resolve_owner, upsert
from crm_chassis.problems import invalid
from crm_marketing import events
from crm_marketing.campaigns.models import Campaign

WRITE = "marketing.campaigns.write"


def create(session: Session, principal: Principal, values: dict[str, Any]) -> Campaign:
    """Plan a campaign; it belongs to the given owner, or else to who plans it.

    :raises Problem: 422 when it ends before it starts, or an amount has no currency.
    """
    campaign = _new(values)
    assign(session, campaign, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(campaign)
    events.campaign_created(session, campaign)
    return campaign


def _new(values: dict[str, Any]) -> Campaign:
    _check(values)
    return Campaign(**{"id": new_id(), "status": "planning"} | values)


def _check(values: Mapping[str, Any], campaign: Campaign | None = None) -> None:
    """Refuse values that do not go together, with what the campaign has already."""

    def after(name: str) -> Any:
        return values.get(name, getattr(campaign, name, None))

    errors = []
    starts_on, ends_on = after("starts_on"), after("ends_on")
    if starts_on and ends_on and ends_on < starts_on:
        errors.append(("ends_on", f"Before the campaign starts, on {starts_on}."))
    priced = after("budget") is not None or after("actual_cost") is not None
    if priced and after("currency") is None:
        errors.append(("currency", "Needed with an amount."))
    if errors:
        raise invalid(*errors)


def change(session: Session, campaign: Campaign, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 when it would end before it starts, or an amount has no currency.
    """
    _check(changes, campaign)
    if "owner_id" in changes and changes["owner_id"] != campaign.owner_id:
        assign(session, campaign, changes["owner_id"], WRITE)
        change_fields(campaign, changes)
    elif not change_fields(campaign, changes):
        return False
    events.campaign_changed(session, campaign)
    return True


def move(session: Session, campaign: Campaign, to_status: str) -> None:
    """Move a campaign to another status.

    :raises Problem: 409 when that does not follow from the present one.
    """
    events.campaign_status_changed(session, campaign, campaign.move(to_status))


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert campaigns; a row says their status as it is, whatever it was before."""
    resolve_owner(session, rows)

    def create_row(session: Session, values: dict[str, Any]) -> Campaign:
        campaign = _new(owned_by(principal) | values)
        session.add(campaign)
        events.campaign_created(session, campaign)
        return campaign

    upsert(session, Campaign, key, rows, create=create_row, change=_change_row)


def _change_row(session: Session, campaign: Campaign, values: dict[str, Any]) -> bool:
    _check(values, campaign)
    rest = {name: value for name, value in values.items() if name != "status"}
    different = change_fields(campaign, rest)
    status = values.get("status", campaign.status)
    if status != campaign.status:
        events.campaign_status_changed(session, campaign, campaign.place(status))
        return True
    if different:
        events.campaign_changed(session, campaign)
    return different
