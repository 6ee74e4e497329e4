"""What sales keeps of other services' data: accounts and contacts with their owners, campaigns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Index, Integer, String, Table, Uuid, select
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.replicas import upsert_newer
from crm_sales.tables import Tables

accounts = Table(
    "replica_accounts",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("owner_id", Uuid(as_uuid=False)),
    Column("team_id", Uuid(as_uuid=False)),
    Column("sequence", Integer, nullable=False),
    Index("replica_accounts_name", "name"),
    Index("replica_accounts_external_id", "external_id"),
    Index("replica_accounts_owner", "owner_id"),
    Index("replica_accounts_team", "team_id"),
)

contacts = Table(
    "replica_contacts",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("account_id", Uuid(as_uuid=False)),
    Column("owner_id", Uuid(as_uuid=False)),
    Column("team_id", Uuid(as_uuid=False)),
    Column("sequence", Integer, nullable=False),
    Index("replica_contacts_name", "name"),
    Index("replica_contacts_external_id", "external_id"),
    Index("replica_contacts_account", "account_id"),
    Index("replica_contacts_owner", "owner_id"),
    Index("replica_contacts_team", "team_id"),
)

contacts_by_key = select(
    contacts.c.id, contacts.c.external_id, contacts.c.external_id.label("name")
).subquery("contacts_by_key")
"""Contacts for a file to name by external id alone: a person's name is no key."""

campaigns = Table(
    "replica_campaigns",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("status", String(20), nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("replica_campaigns_name", "name"),
    Index("replica_campaigns_external_id", "external_id"),
)


def on_account(session: Session, events: Sequence[Event]) -> None:
    """Keep the accounts' names and owners."""
    upsert_newer(
        session,
        accounts,
        (
            {
                "id": event.subject,
                "external_id": event.data["external_id"],
                "name": event.data["name"],
                "owner_id": event.data["owner_id"],
                "team_id": event.data["team_id"],
                "sequence": event.sequence,
            }
            for event in events
        ),
    )


def on_contact(session: Session, events: Sequence[Event]) -> None:
    """Keep the contacts' names, owners and accounts."""
    upsert_newer(
        session,
        contacts,
        (
            {
                "id": event.subject,
                "external_id": event.data["external_id"],
                "name": event.data["name"],
                "account_id": event.data["account_id"],
                "owner_id": event.data["owner_id"],
                "team_id": event.data["team_id"],
                "sequence": event.sequence,
            }
            for event in events
        ),
    )


def on_campaign(session: Session, events: Sequence[Event]) -> None:
    """Keep the campaigns' names and states."""
    upsert_newer(
        session,
        campaigns,
        (
            {
                "id": event.subject,
                "external_id": event.data["external_id"],
                "name": event.data["name"],
                "status": event.data["status"],
                "sequence": event.sequence,
            }
            for event in events
        ),
    )
