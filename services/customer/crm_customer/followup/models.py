"""When somebody was last in touch with a customer."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, Integer, Table, Uuid, func, text
from sqlalchemy.orm import Mapped, column_property, declared_attr, mapped_column

from crm_chassis.database import UTCDateTime
from crm_customer.tables import Tables

_FOLLOWED_UP_AT = "coalesce(last_contacted_at, created_at)"


class FollowedUp:
    """A customer that somebody has to keep in touch with.

    :ivar last_contacted_at: None before the first contact.
    :ivar followed_up_at: the same, and before the first contact when the customer came to be.
    """

    last_contacted_at: Mapped[datetime | None] = mapped_column(UTCDateTime)

    @declared_attr
    @classmethod
    def followed_up_at(cls) -> Mapped[datetime]:
        columns: Any = cls
        return column_property(
            func.coalesce(columns.last_contacted_at, columns.created_at), deferred=True
        )


def follow_up_index(table: str) -> Index:
    """The index by which a table is listed and narrowed by ``followed_up_at``."""
    return Index(f"{table}_by_follow_up", text(_FOLLOWED_UP_AT), "id")


activities = Table(
    "replica_activities",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("account_id", Uuid(as_uuid=False)),
    Column("contact_id", Uuid(as_uuid=False)),
    Column("occurred_at", UTCDateTime, nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("replica_activities_by_account", "account_id", "occurred_at"),
    Index("replica_activities_by_contact", "contact_id", "occurred_at"),
)
"""What sales did with customers, one row an activity."""
