"""What can be done with leads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_chassis.problems import invalid
from crm_chassis.replicas import upsert_newer
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales import related, replicas
from crm_sales.assignment.commands import assign_by_rules
from crm_sales.days import moment_on
from crm_sales.leads import events
from crm_sales.leads.models import Conversion, Lead
from crm_sales.opportunities import commands as opportunities
from crm_sales.work_settings import queries as work_settings

WRITE = "sales.leads.write"
UNCONTACTED = "sales.lead_uncontacted"
"""The timer of a new lead that waits for its first contact."""


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Lead:
    """Take in a new lead.

    It belongs to the given owner, or else to whom the assignment rules choose. Where no rule is
    for it, it belongs to who takes it in.
    """
    lead = _new(values, today)
    if "owner_id" in values:
        assign(session, lead, values["owner_id"], WRITE)
    elif assign_by_rules(session, [lead]):
        assign(session, lead, default_owner(principal), WRITE)
    session.add(lead)
    _await_contact(session, [lead])
    events.lead_created(session, lead)
    return lead


def _await_contact(session: Session, leads: Sequence[Lead]) -> None:
    """Have the owners of new leads be reminded, should they not contact them in time."""
    waiting = [lead for lead in leads if lead.status == "new"]
    hours = work_settings.current(session).lead_reminder_hours if waiting else None
    if hours is not None:
        pause = timedelta(hours=hours)
        set_timers(session, UNCONTACTED, {lead.id: lead.status_since + pause for lead in waiting})


def _new(values: dict[str, Any], today: date) -> Lead:
    usual = {"created_on": today, "status": "new", "status_since": utc_now(), "score": 0}
    return Lead(**{"id": new_id()} | usual | values)


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
    cancel_timers(session, UNCONTACTED, [lead.id])
    _await_contact(session, [lead])


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
    account_id, contact_id = _customer_of(session, values)
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
    moment = moment_on(session, converted_on)
    conversion = lead.convert(
        account_id, account_name, contact_id, opportunity.id, converted_on, moment
    )
    _make_known(session, lead, conversion)
    cancel_timers(session, UNCONTACTED, [lead.id])
    events.lead_converted(session, lead, conversion)
    return True


def _make_known(session: Session, lead: Lead, conversion: Conversion) -> None:
    """Have whom a lead became be known here at once; what customer tells of them takes its place.

    So an order or a task may name them before it does.
    """
    made = {"external_id": None, "owner_id": lead.owner_id, "team_id": lead.team_id, "sequence": 0}
    account = {"id": conversion.account_id, "name": conversion.account_name}
    contact = {"id": conversion.contact_id, "name": lead.name, "account_id": account["id"]}
    upsert_newer(session, replicas.accounts, [account | made])
    upsert_newer(session, replicas.contacts, [contact | made])


def _customer_of(session: Session, values: dict[str, Any]) -> tuple[str, str]:
    """The account and the contact that a conversion names; new ids for those that are to be made.

    A contact that is named brings its account, unless one is named too.

    :raises Problem: 422 for one that is not there or not visible.
    """
    account_id, contact_id = values.get("account_id"), values.get("contact_id")
    if contact_id is not None:
        contact = related.named(session, "contact", contact_id, "contact_id")
        account_id = account_id or contact.account_id
    if account_id is not None and account_id == values.get("account_id"):
        related.named(session, "account", account_id, "account_id")
    return account_id or new_id(), contact_id or new_id()


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert leads; a row says their status as it is, whatever it was before; conversion is final.

    Those that come in without an owner go by the assignment rules; of those that came in today,
    the owners are reminded.
    """
    resolve(session, rows, "campaign", "campaign_id", replicas.campaigns)
    resolve_owner(session, rows)
    today = calendar.today(session)
    created: list[Lead] = []
    moved: list[Lead] = []

    def create_row(session: Session, values: dict[str, Any]) -> Lead:
        lead = _new(values, today)
        session.add(lead)
        created.append(lead)
        events.lead_created(session, lead)
        return lead

    def change_row(session: Session, lead: Lead, values: dict[str, Any]) -> bool:
        if values.get("status", lead.status) != lead.status:
            _place(session, lead, values)
            moved.append(lead)
            return True
        if not change_fields(lead, values):
            return False
        events.lead_changed(session, lead)
        return True

    for row in rows:
        if "status_since" in row.values:
            row.values["status_since"] = calendar.start_of(session, row.values["status_since"])
    upsert(session, Lead, key, rows, create=create_row, change=change_row)
    for lead in assign_by_rules(session, [lead for lead in created if lead.owner_id is None]):
        lead.owner_id, lead.team_id = default_owner(principal), principal.team_id
    cancel_timers(session, UNCONTACTED, [lead.id for lead in moved])
    _await_contact(session, [*moved, *(lead for lead in created if lead.created_on == today)])


def _place(session: Session, lead: Lead, values: dict[str, Any]) -> None:
    """Have a lead stand in another status, since when the row says or else since now."""
    change = lead.place(values["status"], values.get("status_since", utc_now()))
    change_fields(lead, values)
    events.lead_status_changed(session, lead, change)
