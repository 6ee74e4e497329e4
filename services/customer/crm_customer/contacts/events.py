"""What is told of contacts: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.outbox import record
from crm_customer.consent import consent_states
from crm_customer.contacts.models import Contact


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
        "tags": contact.tags,
        "accounts": contact.accounts,
        "birthday": contact.birthday.isoformat() if contact.birthday else None,
        "postal_addresses": contact.postal_addresses,
        "merged_into": contact.merged_into,
        "consent": consent_states(contact.consent),
        "custom": contact.custom,
    }


def contact_created(session: Session, contact: Contact, cause: Event | None = None) -> None:
    record(session, "crm.customer.contact.created.v1", contact, contact_state, cause=cause)


def contact_changed(session: Session, contact: Contact, cause: Event | None = None) -> None:
    record(session, "crm.customer.contact.changed.v1", contact, contact_state, cause=cause)
