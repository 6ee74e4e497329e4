"""What is told of accounts: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_customer.accounts.models import Account
from crm_customer.consent import consent_states


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
        "tags": account.tags,
        "postal_addresses": account.postal_addresses,
        "merged_into": account.merged_into,
        "consent": consent_states(account.consent),
        "custom": account.custom,
    }


def account_created(session: Session, account: Account, cause: Event | None = None) -> None:
    record(session, "crm.customer.account.created.v1", account, account_state, cause=cause)


def account_changed(
    session: Session,
    account: Account,
    cause: Event | None = None,
    change: Mapping[str, Any] | None = None,
) -> None:
    """:param change: the facts of a change of owner, where that is what changed."""
    event_type = "crm.customer.account.changed.v1"
    record(session, event_type, account, account_state, change=change, cause=cause)
