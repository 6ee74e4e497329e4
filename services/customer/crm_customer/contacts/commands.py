"""What can be done with contacts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, upsert
from crm_customer import events
from crm_customer.accounts import queries as accounts
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact

WRITE = "customer.contacts.write"


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Contact:
    """Add a contact; it belongs to the given owner, or else to who adds it.

    :raises Problem: 422 when there is no such account.
    """
    if account_id := values.get("account_id"):
        accounts.require_visible(session, account_id, "account_id")
    contact = _new(values, today)
    assign(session, contact, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(contact)
    events.contact_created(session, contact)
    return contact


def _new(values: dict[str, Any], today: date) -> Contact:
    return Contact(**{"id": new_id(), "created_on": today} | values)


def change(session: Session, contact: Contact, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 when there is no such account.
    """
    account_id = changes.get("account_id")
    if account_id and account_id != contact.account_id:
        accounts.require_visible(session, account_id, "account_id")
    if "owner_id" in changes and changes["owner_id"] != contact.owner_id:
        assign(session, contact, changes["owner_id"], WRITE)
        change_fields(contact, changes)
    elif not change_fields(contact, changes):
        return False
    events.contact_changed(session, contact)
    return True


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert contacts."""
    resolve(session, rows, "account", "account_id", Account.__table__)
    resolve(session, rows, "owner", "owner_id", directory.users)
    teams = directory.teams_of(session, (row.values.get("owner_id") for row in rows))
    today = utc_now().date()

    def create_row(session: Session, values: dict[str, Any]) -> Contact:
        owner = {"owner_id": default_owner(principal), "team_id": principal.team_id}
        contact = _new(owner | values, today)
        session.add(contact)
        events.contact_created(session, contact)
        return contact

    def change_row(session: Session, contact: Contact, values: dict[str, Any]) -> bool:
        if not change_fields(contact, values):
            return False
        events.contact_changed(session, contact)
        return True

    for row in rows:
        if "owner_id" in row.values:
            row.values["team_id"] = teams.get(row.values["owner_id"])
    upsert(session, Contact, key, rows, create=create_row, change=change_row)
