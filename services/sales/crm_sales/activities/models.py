"""What was done about a lead, a deal or a customer."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Instant
from crm_sales.tables import Tables

KINDS = ("call", "email", "meeting", "visit", "demo", "chat", "note")
CONTACTS = tuple(kind for kind in KINDS if kind != "note")
"""Those in which somebody was contacted."""


class Activity(Versioned, Owned, Tables):
    """An entry of the log; it stays as it was written.

    Who may see what it is about may see it. Its owner is who did it.

    :ivar minutes: how long it took.
    """

    __tablename__ = "activities"
    __table_args__ = (
        Index("activities_by_occurred_at", "occurred_at", "id"),
        Index("activities_by_related", "related_id", "occurred_at", "id"),
        Index("activities_by_account", "account_id", "occurred_at", "id"),
        Index("activities_by_contact", "contact_id", "occurred_at", "id"),
        Index("activities_by_owner", "owner_id", "occurred_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(200))
    notes: Mapped[str | None] = mapped_column(String(4000))
    occurred_at: Mapped[Instant]
    minutes: Mapped[int | None]
    outcome: Mapped[str | None] = mapped_column(String(100))
    related_type: Mapped[str] = mapped_column(String(20))
    related_id: Mapped[Id]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
