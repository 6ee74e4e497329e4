"""What a customer asks for, on its way through sales, development and service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, new_id
from crm_chassis.problems import conflict, invalid
from crm_sales.tables import Tables

MOVES: dict[str, set[str]] = {
    "open": {"evaluated", "declined"},
    "evaluated": {"planned", "declined"},
    "planned": {"in_development", "declined"},
    "in_development": {"planned", "delivered", "declined"},
    "delivered": {"in_development", "confirmed"},
    "confirmed": set(),
    "declined": {"open"},
}
"""From each status to those that may follow it; ``confirmed`` is final."""

STATUSES = tuple(MOVES)
CLOSED = ("confirmed", "declined")
_NEEDED = {
    "evaluated": ("sales_value", "The department of sales says it first."),
    "planned": ("planned_delivery_on", "The department of development says it first."),
}


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A move of a request, and the seconds it was in the status before."""

    from_status: str
    to_status: str
    seconds: int


class CustomerRequest(Versioned, Owned, Tables):
    """A request. Three departments have a part in it, each with its owner.

    Sales, whose owner is the request's: what fulfilling it is worth. Development: when it is
    planned and done. Service: what the customer says of the outcome. The owner of a part sees the
    whole.

    :ivar satisfaction: of the customer with the outcome, 1 to 5.
    """

    __tablename__ = "requests"
    __table_args__ = (
        Index("requests_by_opened_at", "opened_at", "id"),
        Index("requests_by_owner", "owner_id", "opened_at", "id"),
        Index("requests_by_team", "team_id", "opened_at", "id"),
        Index("requests_by_status", "status", "opened_at", "id"),
        Index("requests_by_account", "account_id", "opened_at", "id"),
        Index("requests_by_development_owner", "development_owner_id", "opened_at", "id"),
        Index("requests_by_service_owner", "service_owner_id", "opened_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(4000))
    account_id: Mapped[Id]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]
    product_id: Mapped[Id | None]
    status: Mapped[str] = mapped_column(String(20), default="open")
    status_since: Mapped[Instant]
    opened_at: Mapped[Instant]
    opened_on: Mapped[date]
    sales_value: Mapped[Amount | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    development_owner_id: Mapped[Id | None]
    planned_start_on: Mapped[date | None]
    planned_delivery_on: Mapped[date | None]
    started_on: Mapped[date | None]
    delivered_on: Mapped[date | None]
    delivered_at: Mapped[Instant | None]
    service_owner_id: Mapped[Id | None]
    feedback: Mapped[str | None] = mapped_column(String(4000))
    satisfaction: Mapped[int | None]
    closed_at: Mapped[Instant | None]
    closed_on: Mapped[date | None]
    declined_reason: Mapped[str | None] = mapped_column(String(200))

    @property
    def seconds_to_delivery(self) -> int | None:
        """Turnaround, from opening to delivery; None before that."""
        return self._seconds_to(self.delivered_at)

    @property
    def seconds_to_confirmation(self) -> int | None:
        """Turnaround, from opening to the customer's confirmation; None before that."""
        return self._seconds_to(self.closed_at if self.status == "confirmed" else None)

    def _seconds_to(self, moment: datetime | None) -> int | None:
        return None if moment is None else max(0, int((moment - self.opened_at).total_seconds()))

    def move(self, to_status: str, now: datetime, today: date, reason: str | None) -> StatusChange:
        """Go to another status; the days of the work are kept along the way.

        :param reason: why it is declined.
        :raises Problem: 409 when it does not follow from the present one; 422 when what it needs is
            missing.
        """
        if to_status not in MOVES[self.status]:
            raise conflict(f"A request that is {self.status} cannot become {to_status}.")
        needed = _NEEDED.get(to_status)
        if needed and getattr(self, needed[0]) is None:
            raise invalid(needed)
        if to_status == "declined" and reason is None:
            raise invalid(("reason", "Say why it is declined."))
        self.declined_reason = reason if to_status == "declined" else None
        if to_status == "in_development":
            self.started_on = self.started_on or today
            self.delivered_on = self.delivered_at = None
        if to_status == "delivered":
            self.delivered_on, self.delivered_at = today, now
        closes = to_status in CLOSED
        self.closed_at, self.closed_on = (now, today) if closes else (None, None)
        seconds = max(0, int((now - self.status_since).total_seconds()))
        change = StatusChange(self.status, to_status, seconds)
        self.status, self.status_since = to_status, now
        return change


class RequestEntry(Tables):
    """One line of a request's log.

    :ivar seconds: how long it was in ``from_status``; None for the first entry.
    """

    __tablename__ = "request_log"
    __table_args__ = (Index("request_log_by_request", "request_id", "entered_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    request_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("requests.id", ondelete="CASCADE")
    )
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[int | None]
    entered_at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(64))
