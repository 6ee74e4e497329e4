"""What service desk keeps of customer's data: names of accounts and contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Index, Integer, String, Table, Uuid
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_chassis.replicas import upsert_newer
from crm_service_desk.tables import Tables

accounts = Table(
    "replica_accounts",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("replica_accounts_name", "name"),
    Index("replica_accounts_external_id", "external_id"),
)

contacts = Table(
    "replica_contacts",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("external_id", String(200)),
    Column("name", String(200), nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("replica_contacts_name", "name"),
    Index("replica_contacts_external_id", "external_id"),
)


def on_account(session: Session, events: Sequence[Event]) -> None:
    """Keep the accounts' names."""
    upsert_newer(session, accounts, (_row(event) for event in events))


def on_contact(session: Session, events: Sequence[Event]) -> None:
    """Keep the contacts' names."""
    upsert_newer(session, contacts, (_row(event) for event in events))


def _row(event: Event) -> dict[str, Any]:
    return {
        "id": event.subject,
        "external_id": event.data["external_id"],
        "name": event.data["name"],
        "sequence": event.sequence,
    }
