"""What customer publishes: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact


def account_state(account: Account) -> dict[str, Any]:
    return {
        "id": account.id,
        "external_id": account.external_id,
        "name": account.name,
        "kind": account.kind,
        "industry": account.industry,
        "region": account.region,
        "level": account.level,
        "phones": account.phones,
        "emails": account.emails,
        "addresses": account.addresses,
        "preferences": account.preferences,
        "needs": account.needs,
        "satisfaction": account.satisfaction,
        "website": account.website,
        "employees": account.employees,
        "annual_revenue": decimal_text(account.annual_revenue),
        "currency": account.currency,
        "founded_year": account.founded_year,
        "parent_id": account.parent_id,
        "owner_id": account.owner_id,
        "team_id": account.team_id,
        "source": account.source,
        "created_on": account.created_on.isoformat(),
    }


def account_created(session: Session, account: Account, cause: Event | None = None) -> None:
    record(session, "crm.customer.account.created.v1", account, account_state, cause=cause)


def account_changed(session: Session, account: Account) -> None:
    record(session, "crm.customer.account.changed.v1", account, account_state)


def contact_state(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.id,
        "external_id": contact.external_id,
        "account_id": contact.account_id,
        "name": contact.name,
        "sex": contact.sex,
        "job_title": contact.job_title,
        "phones": contact.phones,
        "emails": contact.emails,
        "addresses": contact.addresses,
        "preferences": contact.preferences,
        "needs": contact.needs,
        "satisfaction": contact.satisfaction,
        "region": contact.region,
        "level": contact.level,
        "source": contact.source,
        "owner_id": contact.owner_id,
        "team_id": contact.team_id,
        "created_on": contact.created_on.isoformat(),
    }


def contact_created(session: Session, contact: Contact, cause: Event | None = None) -> None:
    record(session, "crm.customer.contact.created.v1", contact, contact_state, cause=cause)


def contact_changed(session: Session, contact: Contact) -> None:
    record(session, "crm.customer.contact.changed.v1", contact, contact_state)
