"""What can be done with contacts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import assign, change_fields, default_owner, owned_by
from crm_chassis.auth import Principal
from crm_chassis.custom_fields import declared_fields, require_values, resolve_references
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_chassis.problems import conflict, invalid
from crm_customer.accounts import queries as accounts
from crm_customer.accounts.models import Account
from crm_customer.consent import log_consent
from crm_customer.contacts import events
from crm_customer.contacts.models import ROLES, AccountContact, Contact
from crm_customer.custom import CONTACTS
from crm_customer.duplicates.imports import rounds
from crm_customer.kinds import CONTACT
from crm_customer.records import first_known, put_together
from crm_customer.tags.bearing import as_given
from crm_customer.tags.commands import resolve_tags

WRITE = CONTACT.write
MOST_ACCOUNTS = 100
"""At which one contact can be."""


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Contact:
    """Add a contact; it belongs to the given owner, or else to who adds it.

    :raises Problem: 422 when there is no such account.
    """
    if account_id := values.get("account_id"):
        accounts.require_visible(session, account_id, "account_id")
    contact = _new(values, today)
    assign(session, contact, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(contact)
    log_consent(session, contact, {})
    events.contact_created(session, contact)
    return contact


def _new(values: dict[str, Any], today: date) -> Contact:
    return Contact(**{"id": new_id(), "created_on": today} | first_known(values))


def change(session: Session, contact: Contact, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team, and a new account takes the place
    of the former primary one.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 when there is no such account.
    """
    contact.require_standing()
    account_id = changes.get("account_id")
    if account_id and account_id != contact.account_id:
        accounts.require_visible(session, account_id, "account_id")
    changes = put_together(contact, changes)
    consent, primary = contact.consent, contact.account_id
    if "owner_id" in changes and changes["owner_id"] != contact.owner_id:
        assign(session, contact, changes["owner_id"], WRITE)
        change_fields(contact, changes)
    elif not change_fields(contact, changes):
        return False
    if contact.account_id != primary:
        _unlink(contact, primary)
    log_consent(session, contact, consent)
    events.contact_changed(session, contact)
    return True


def link(
    session: Session,
    contact: Contact,
    account_id: str,
    roles: Sequence[str],
    primary: bool | None = None,
) -> bool:
    """Say what a contact is at an account, which the caller has made sure of.

    :param primary: True makes the account the primary one, beside which the former one stays;
        False makes another of it; None leaves that as it is.
    :returns: False when it was so already; then nothing is told.
    :raises Problem: 409 when the contact is at as many accounts as there can be.
    """
    before = contact.accounts
    known = {membership["account_id"] for membership in before}
    if account_id not in known and len(known) >= MOST_ACCOUNTS:
        raise conflict(f"The contact is at {MOST_ACCOUNTS} accounts, the most there can be.")
    if primary and contact.account_id is not None:
        _set_roles(contact, contact.account_id, contact.roles)
    _set_roles(contact, account_id, [role for role in ROLES if role in roles])
    if primary:
        contact.account_id = account_id
    elif primary is False and contact.account_id == account_id:
        contact.account_id = None
    return _tell_links(session, contact, before)


def unlink(session: Session, contact: Contact, account_id: str) -> bool:
    """Let a contact no longer be at an account.

    :returns: False when it was not; then nothing is told.
    """
    before = contact.accounts
    _unlink(contact, account_id)
    if contact.account_id == account_id:
        contact.account_id = None
    return _tell_links(session, contact, before)


def _link(contact: Contact, account_id: str | None) -> AccountContact | None:
    return next((link for link in contact.links if link.account_id == account_id), None)


def _set_roles(contact: Contact, account_id: str, roles: list[str]) -> None:
    known = _link(contact, account_id)
    if known is None:
        contact.links.append(AccountContact(account_id=account_id, roles=roles))
    else:
        known.roles = roles


def _unlink(contact: Contact, account_id: str | None) -> None:
    known = _link(contact, account_id)
    if known is not None:
        contact.links.remove(known)


def _tell_links(session: Session, contact: Contact, before: list[dict[str, Any]]) -> bool:
    if contact.accounts == before:
        return False
    contact.updated_at = utc_now()  # else the contact's version would stay
    events.contact_changed(session, contact)
    return True


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert contacts."""
    resolve(session, rows, "account", "account_id", Account.__table__)
    resolve_owner(session, rows)
    declared = declared_fields(session, CONTACTS.name)
    resolve_references(session, CONTACTS, declared, rows)
    categories = resolve_tags(session, rows)
    today = calendar.today(session)

    def create_row(session: Session, values: dict[str, Any]) -> Contact:
        require_values(declared, values)
        roles = _roles_of(values, values.get("account_id"))
        contact = _new(owned_by(principal) | values | as_given(values, None, categories), today)
        if roles:
            _set_roles(contact, values["account_id"], roles)
        session.add(contact)
        log_consent(session, contact, {})
        events.contact_created(session, contact)
        return contact

    def change_row(session: Session, contact: Contact, values: dict[str, Any]) -> bool:
        roles = _roles_of(values, values.get("account_id", contact.account_id))
        consent, primary, before = contact.consent, contact.account_id, contact.accounts
        given = values | as_given(values, contact, categories)
        changed = change_fields(contact, put_together(contact, given))
        if contact.account_id != primary:
            _unlink(contact, primary)
        if roles:
            _set_roles(contact, str(contact.account_id), roles)
        if not changed and contact.accounts == before:
            return False
        contact.updated_at = utc_now()
        log_consent(session, contact, consent)
        events.contact_changed(session, contact)
        return True

    for batch, instead in rounds(session, principal, "contact", key, rows):
        upsert(session, Contact, key, batch, create=create_row, change=change_row, instead=instead)
        session.flush()


def _roles_of(values: dict[str, Any], account_id: str | None) -> list[str]:
    """Take the roles out of a row's values, in their order.

    :raises Problem: 422 when there is no account that they are roles at.
    """
    given = values.pop("roles", [])
    if given and account_id is None:
        raise invalid(("roles", "Needs an account."))
    return [role for role in ROLES if role in given]
