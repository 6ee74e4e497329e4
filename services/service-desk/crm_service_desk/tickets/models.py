"""A customer's question or complaint on its way to a solution, its replies and its log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import ForeignKey, Index, String, Text, Uuid, select
from sqlalchemy.orm import Mapped, column_property, mapped_column, relationship, synonym

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Instant, Key, new_id, utc_now
from crm_chassis.problems import conflict
from crm_service_desk.replicas import accounts, contacts
from crm_service_desk.tables import Tables

TYPES = ("question", "complaint", "incident", "request")
PRIORITIES = ("low", "normal", "high", "urgent")

MOVES: dict[str, set[str]] = {
    "new": {"open", "pending", "on_hold"},
    "open": {"pending", "on_hold"},
    "pending": {"open", "on_hold"},
    "on_hold": {"open", "pending"},
    "resolved": set(),
    "closed": set(),
}
"""From each status to those a ticket may be moved to; to resolve, reopen and close it are
commands of their own."""

STATUSES = tuple(MOVES)
DONE = ("resolved", "closed")


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A move of a ticket, and the seconds it was in the status before."""

    from_status: str
    to_status: str
    seconds: int

    @property
    def kind(self) -> str:
        """What the move means, the last part of its event's name."""
        if self.to_status in DONE:
            return self.to_status
        return "reopened" if self.from_status in DONE else "status_changed"


class Ticket(Versioned, Owned, Tables):
    """A ticket. ``closed`` is final.

    :ivar number: what people quote; given out by :class:`TicketNumber`.
    :ivar account_name: as customer last told it; None while it has not.
    :ivar first_replied_at: when a person first replied for the customer to read; a reopened
        ticket keeps it.
    :ivar resolved_at: when it was last resolved; None while it is not.
    """

    __tablename__ = "tickets"
    __table_args__ = (
        Index("tickets_by_created_at", "created_at", "id"),
        Index("tickets_by_opened_at", "opened_at", "id"),
        Index("tickets_by_assignee", "assignee_id", "created_at", "id"),
        Index("tickets_by_team", "team_id", "created_at", "id"),
        Index("tickets_by_status", "status", "created_at", "id"),
        Index("tickets_by_account", "account_id", "created_at", "id"),
        Index("tickets_by_contact", "contact_id", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    subject: Mapped[str] = mapped_column(String(500))
    description: Mapped[str | None] = mapped_column(Text)
    type: Mapped[str] = mapped_column(String(20))
    priority: Mapped[str] = mapped_column(String(20))
    channel: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    status_since: Mapped[Instant]
    account_id: Mapped[Id | None] = mapped_column()
    contact_id: Mapped[Id | None] = mapped_column()
    assignee_id: Mapped[Id | None]
    owner_id = synonym("assignee_id")
    """Whose a ticket is, to a permission's scope."""
    opened_on: Mapped[date]
    opened_at: Mapped[Instant]
    first_replied_at: Mapped[Instant | None]
    resolved_on: Mapped[date | None]
    resolved_at: Mapped[Instant | None]
    closed_on: Mapped[date | None]

    account_name: Mapped[str | None] = column_property(
        select(accounts.c.name).where(accounts.c.id == account_id).scalar_subquery()
    )
    contact_name: Mapped[str | None] = column_property(
        select(contacts.c.name).where(contacts.c.id == contact_id).scalar_subquery()
    )

    def move(self, to_status: str) -> StatusChange:
        """Move to another status in which the ticket is worked on or waits.

        :raises Problem: 409 when that does not follow from the present one.
        """
        if to_status not in MOVES[self.status]:
            raise conflict(f"A ticket that is {self.status} cannot become {to_status}.")
        return self.place(to_status)

    def resolve(self, on: date) -> StatusChange:
        """Have been solved.

        :raises Problem: 409 when the ticket is resolved or closed.
        """
        if self.status in DONE:
            raise conflict(f"The ticket is {self.status}.")
        change = self.place("resolved")
        self.resolved_on, self.resolved_at = on, self.status_since
        return change

    def reopen(self) -> StatusChange:
        """Be taken up again, as the solution was none.

        :raises Problem: 409 when the ticket is not resolved.
        """
        self._require_resolved("reopened")
        self.resolved_on = self.resolved_at = None
        return self.place("open")

    def close(self, on: date) -> StatusChange:
        """Be done with for good.

        :raises Problem: 409 when the ticket is not resolved.
        """
        self._require_resolved("closed")
        self.closed_on = on
        return self.place("closed")

    def _require_resolved(self, done: str) -> None:
        if self.status != "resolved":
            raise conflict(f"A ticket that is {self.status} cannot be {done}: resolve it first.")

    def place(self, status: str) -> StatusChange:
        """Be in a status, whether or not it follows from the one before."""
        now = utc_now()
        seconds = max(0, int((now - self.status_since).total_seconds()))
        change = StatusChange(self.status, status, seconds)
        self.status, self.status_since = status, now
        return change

    def take_reply(self, reply: Reply) -> bool:
        """Note the first public reply by a person, which ends the wait for a response.

        :returns: True when this is the one.
        :raises Problem: 409 when the ticket is closed.
        """
        if self.status == "closed":
            raise conflict("The ticket is closed.")
        if not (reply.public and reply.by_person) or self.first_replied_at is not None:
            return False
        self.first_replied_at = reply.created_at
        return True


class TicketNumber(Tables):
    """Gives out numbers. A row, not a counter, so that nobody waits for another's transaction."""

    __tablename__ = "ticket_numbers"
    __table_args__ = {"sqlite_autoincrement": True}

    serial: Mapped[int] = mapped_column(primary_key=True)
    ticket_id: Mapped[Id]

    @staticmethod
    def text(year: int, serial: int) -> str:
        """``T-2026-000123``; the serial goes on from year to year."""
        return f"T-{year}-{serial:06d}"


class Reply(Tables):
    """An answer to the customer or, when it is not public, a note among colleagues.

    :ivar author_id: the user or API client that wrote it.
    """

    __tablename__ = "replies"
    __table_args__ = (Index("replies_by_ticket", "ticket_id", "created_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    ticket_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("tickets.id", ondelete="CASCADE")
    )
    ticket: Mapped[Ticket] = relationship()
    author_id: Mapped[str] = mapped_column(String(64))
    by_person: Mapped[bool]
    public: Mapped[bool]
    body: Mapped[str] = mapped_column(Text)
    created_at: Mapped[Instant]


class StatusEntry(Tables):
    """One line of the status log.

    :ivar seconds: how long the ticket was in ``from_status``; None for the first entry.
    """

    __tablename__ = "status_log"
    __table_args__ = (Index("status_log_by_ticket", "ticket_id", "entered_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    ticket_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("tickets.id", ondelete="CASCADE")
    )
    ticket: Mapped[Ticket] = relationship()
    from_status: Mapped[str | None] = mapped_column(String(20))
    to_status: Mapped[str] = mapped_column(String(20))
    seconds: Mapped[int | None]
    entered_at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(64))
