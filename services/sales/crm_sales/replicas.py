"""What sales keeps of other services' data: names of accounts and campaigns."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Column, Index, Integer, String, Table, Uuid
from sqlalchemy.orm import Session

from crm_chassis.directory import upsert_newer
from crm_chassis.events import Event
from crm_sales.tables import Tables

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
    """Keep the accounts' names."""
    upsert_newer(
        session,
        accounts,
        (
            {
                "id": event.subject,
                "external_id": event.data["external_id"],
                "name": event.data["name"],
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
