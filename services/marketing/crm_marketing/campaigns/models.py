"""A campaign, its states, its budget and its cost."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount
from crm_chassis.problems import conflict
from crm_marketing.tables import Tables

MOVES: dict[str, set[str]] = {
    "planning": {"active", "cancelled"},
    "active": {"paused", "complete", "cancelled"},
    "paused": {"active", "complete", "cancelled"},
    "complete": set(),
    "cancelled": set(),
}
"""From each status to those a campaign may move to."""

STATUSES = tuple(MOVES)


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A move of a campaign."""

    from_status: str
    to_status: str


class Campaign(Versioned, Owned, Tables):
    """A campaign. ``complete`` and ``cancelled`` are final; its cost may still become known."""

    __tablename__ = "campaigns"
    __table_args__ = (
        Index("campaigns_by_created_at", "created_at", "id"),
        Index("campaigns_by_name", "name", "id"),
        Index("campaigns_by_owner", "owner_id", "created_at", "id"),
        Index("campaigns_by_team", "team_id", "created_at", "id"),
        Index("campaigns_by_status", "status", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    channel: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    budget: Mapped[Amount | None]
    actual_cost: Mapped[Amount | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    starts_on: Mapped[date | None]
    ends_on: Mapped[date | None]

    def move(self, to_status: str) -> StatusChange:
        """Move to another status.

        :raises Problem: 409 when that does not follow from the present one.
        """
        if to_status not in MOVES[self.status]:
            raise conflict(f"A campaign that is {self.status} cannot become {to_status}.")
        return self.place(to_status)

    def place(self, status: str) -> StatusChange:
        """Be in a status, whether or not it follows from the one before."""
        change = StatusChange(self.status, status)
        self.status = status
        return change
