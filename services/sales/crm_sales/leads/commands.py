"""What can be done with leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, upsert
from crm_chassis.problems import invalid
from crm_sales import events, replicas
from crm_sales.days import start_of
from crm_sales.leads.models import Lead
from crm_sales.opportunities import commands as opportunities

WRITE = "sales.leads.write"


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Lead:
    """Take in a new lead; it belongs to the given owner, or else to who takes it in."""
    lead = _new(values, today)
    assign(session, lead, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(lead)
    events.lead_created(session, lead)
    return lead


def _new(values: dict[str, Any], today: date) -> Lead:
    return Lead(
        **{"id": new_id(), "created_on": today, "status_since": utc_now(), "score": 0} | values
    )


def change(session: Session, lead: Lead, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    """
    if "owner_id" in changes and changes["owner_id"] != lead.owner_id:
        assign(session, lead, changes["owner_id"], WRITE)
        change_fields(lead, changes)
    elif not change_fields(lead, changes):
        return False
    events.lead_changed(session, lead)
    return True


def move(session: Session, lead: Lead, to_status: str) -> None:
    """Move a lead to another status.

    :raises Problem: 409 when that does not follow from the present one.
    """
    events.lead_status_changed(session, lead, lead.move(to_status))


def convert(session: Session, lead: Lead, values: dict[str, Any], today: date) -> bool:
    """Make an account, a contact and an opportunity of a lead, once.

    The account and the contact come to be in customer, which hears of it.

    :param lead: locked, so that two conversions at once follow one another.
    :returns: False when it was converted before; the lead says into what.
    :raises Problem: 409 when the lead is out of the race; 422 when it is to have been converted
        before it came in.
    """
    if lead.status == "converted":
        return False
    converted_on = values.get("converted_on", today)
    if "converted_on" in values and converted_on < lead.created_on:
        raise invalid(("converted_on", f"Before the lead came in, on {lead.created_on}."))
    account_name = values.get("account_name") or lead.company or lead.name
    account_id, contact_id = _account_of(session, values), new_id()
    opportunity = opportunities.open_from_lead(
        session,
        {
            "name": values.get("opportunity_name") or account_name,
            "account_id": account_id,
            "contact_id": contact_id,
            "lead_id": lead.id,
            "campaign_id": lead.campaign_id,
            "source": lead.source,
            "owner_id": lead.owner_id,
            "team_id": lead.team_id,
            "opened_on": converted_on,
            **{
                name: values[name]
                for name in ("product_id", "amount", "currency", "quantity", "expected_close_on")
                if name in values
            },
        },
    )
    conversion = lead.convert(account_id, account_name, contact_id, opportunity.id, converted_on)
    events.lead_converted(session, lead, conversion)
    return True


def _account_of(session: Session, values: dict[str, Any]) -> str:
    """The account that a conversion names, or the id of one that is to be made.

    :raises Problem: 422 for an account that customer has not told of.
    """
    if "account_id" not in values:
        return new_id()
    accounts = replicas.accounts.c
    found = session.scalar(select(accounts.id).where(accounts.id == values["account_id"]))
    if found is None:
        raise invalid(("account_id", "No such account."))
    return str(found)


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert leads; a row says their status as it is, whatever it was before."""
    resolve(session, rows, "campaign", "campaign_id", replicas.campaigns)
    resolve(session, rows, "owner", "owner_id", directory.users)
    teams = directory.teams_of(session, (row.values.get("owner_id") for row in rows))
    today = utc_now().date()

    def create_row(session: Session, values: dict[str, Any]) -> Lead:
        owner = {"owner_id": default_owner(principal), "team_id": principal.team_id}
        lead = _new(owner | values, today)
        session.add(lead)
        events.lead_created(session, lead)
        return lead

    def change_row(session: Session, lead: Lead, values: dict[str, Any]) -> bool:
        if not change_fields(lead, values):
            return False
        events.lead_changed(session, lead)
        return True

    for row in rows:
        if "owner_id" in row.values:
            row.values["team_id"] = teams.get(row.values["owner_id"])
        if "status_since" in row.values:
            row.values["status_since"] = start_of(row.values["status_since"])
    upsert(session, Lead, key, rows, create=create_row, change=change_row)
