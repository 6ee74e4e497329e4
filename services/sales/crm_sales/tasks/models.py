"""Something that somebody is to do by a time."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Instant
from crm_chassis.problems import conflict
from crm_sales.tables import Tables

KINDS = ("todo", "call", "email", "meeting", "visit", "demo")
PRIORITIES = ("low", "normal", "high")
STATUSES = ("open", "done", "cancelled")


class Task(Versioned, Owned, Tables):
    """A task. It is open until it is done or cancelled, and can be reopened.

    :ivar due_on: the business day of ``due_at``.
    :ivar remind_minutes: so long before it is due its owner is reminded; None: not at all.
    :ivar reminded_at: when that was.
    :ivar due_told_at: when it was told that the task is due.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        Index("tasks_by_created_at", "created_at", "id"),
        Index("tasks_by_due_at", "due_at", "id"),
        Index("tasks_by_owner", "owner_id", "status", "due_at", "id"),
        Index("tasks_by_team", "team_id", "due_at", "id"),
        Index("tasks_by_completed_at", "team_id", "completed_at", "id"),
        Index("tasks_by_related", "related_id", "due_at", "id"),
        Index("tasks_by_account", "account_id", "due_at", "id"),
        Index("tasks_by_contact", "contact_id", "due_at", "id"),
    )

    title: Mapped[str] = mapped_column(String(200))
    description: Mapped[str | None] = mapped_column(String(4000))
    kind: Mapped[str] = mapped_column(String(20), default="todo")
    priority: Mapped[str] = mapped_column(String(10), default="normal")
    status: Mapped[str] = mapped_column(String(10), default="open")
    due_at: Mapped[Instant]
    due_on: Mapped[date]
    remind_minutes: Mapped[int | None]
    reminded_at: Mapped[Instant | None]
    due_told_at: Mapped[Instant | None]
    completed_at: Mapped[Instant | None]
    related_type: Mapped[str | None] = mapped_column(String(20))
    related_id: Mapped[Id | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]

    @property
    def remind_at(self) -> datetime | None:
        """When its owner is to be reminded; None when that has been or is not wanted."""
        if self.remind_minutes is None or self.reminded_at is not None:
            return None
        return self.due_at - timedelta(minutes=self.remind_minutes)

    def complete(self, now: datetime) -> None:
        """Be done.

        :raises Problem: 409 when it is not open.
        """
        self._require_open()
        self.status, self.completed_at = "done", now

    def cancel(self) -> None:
        """Be given up.

        :raises Problem: 409 when it is not open.
        """
        self._require_open()
        self.status = "cancelled"

    def reopen(self) -> None:
        """Be open again.

        :raises Problem: 409 when it is open.
        """
        if self.status == "open":
            raise conflict("The task is open.")
        self.status, self.completed_at = "open", None

    def put_off(self, due_at: datetime, due_on: date) -> None:
        """Be due at another time, of which it is told anew."""
        if due_at != self.due_at:
            self.due_at, self.due_on = due_at, due_on
            self.reminded_at = self.due_told_at = None

    def _require_open(self) -> None:
        if self.status != "open":
            raise conflict(f"The task is {self.status}: reopen it first.")
