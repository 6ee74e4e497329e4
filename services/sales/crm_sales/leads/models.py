"""A person who may buy, and the states on the way to a deal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import Index, String, text
from sqlalchemy.orm import Mapped, mapped_column, validates

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Instant, utc_now
from crm_chassis.problems import conflict, invalid
from crm_sales.tables import Tables

_WORKED = {"unqualified", "junk"}
MOVES: dict[str, set[str]] = {
    "new": {"contacted", "nurturing", "qualified", *_WORKED},
    "contacted": {"nurturing", "qualified", *_WORKED},
    "nurturing": {"contacted", "qualified", *_WORKED},
    "qualified": {"nurturing", *_WORKED},
    "unqualified": {"recycled"},
    "junk": {"recycled"},
    "recycled": {"new"},
    "converted": set(),
}
"""From each status to those a person may move a lead to; conversion is a command of its own."""

STATUSES = tuple(MOVES)
OPEN_STATUSES = ("new", "contacted", "nurturing", "qualified")
"""Those of leads that are worked on; each of them can be converted."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """A move of a lead, and the seconds it was in the status before."""

    from_status: str
    to_status: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Conversion:
    """What a lead became."""

    change: StatusChange
    account_id: str
    account_name: str
    contact_id: str


class Lead(Versioned, Owned, Tables):
    """A lead. ``converted`` is final; what it became is in the last four columns.

    :ivar reminded_at: when its owner was told that it still waits for its first contact.
    """

    __tablename__ = "leads"
    __table_args__ = (
        Index("leads_by_created_at", "created_at", "id"),
        Index("leads_by_name", "name", "id"),
        Index("leads_by_score", "score", "id"),
        Index("leads_by_email", "email"),
        Index("leads_by_phone", "phone"),
        Index("leads_by_owner", "owner_id", "created_at", "id"),
        Index("leads_by_team", "team_id", "created_at", "id"),
        Index("leads_by_status", "status", "created_at", "id"),
        Index("leads_by_owner_status", "owner_id", "status", "id"),
        Index(
            "leads_waiting",
            "owner_id",
            "reminded_at",
            "id",
            postgresql_where=text("reminded_at IS NOT NULL"),
            sqlite_where=text("reminded_at IS NOT NULL"),
        ),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    company: Mapped[str | None] = mapped_column(String(200))
    job_title: Mapped[str | None] = mapped_column(String(100))
    phone: Mapped[str | None] = mapped_column(String(50))
    email: Mapped[str | None] = mapped_column(String(254))
    industry: Mapped[str | None] = mapped_column(String(100))
    region: Mapped[str | None] = mapped_column(String(100))
    source: Mapped[str | None] = mapped_column(String(100))
    score: Mapped[int] = mapped_column(default=0)
    status: Mapped[str] = mapped_column(String(20), default="new")
    status_since: Mapped[Instant]
    reminded_at: Mapped[Instant | None]
    campaign_id: Mapped[Id | None]
    created_on: Mapped[date]
    converted_on: Mapped[date | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]

    @validates("phone")
    def _number_alone(self, _name: str, phone: str | None) -> str | None:
        return phone and str(phone)  # a number as typed remembers how; events take none such

    def move(self, to_status: str) -> StatusChange:
        """Move to another status.

        :raises Problem: 409 when that does not follow from the present one.
        """
        if to_status not in MOVES[self.status]:
            raise conflict(f"A lead that is {self.status} cannot become {to_status}.")
        return self._enter(to_status, utc_now())

    def place(self, status: str, since: datetime) -> StatusChange:
        """Be in a status since a moment, whether or not it follows from the one before.

        :raises Problem: 422 when the lead was converted, which is final.
        """
        if self.status == "converted":
            raise invalid(("status", "The lead was converted."))
        return self._enter(status, since)

    def convert(
        self,
        account_id: str,
        account_name: str,
        contact_id: str,
        opportunity_id: str,
        on: date,
        moment: datetime,
    ) -> Conversion:
        """Become an account, a contact and an opportunity.

        :param on: the business day of ``moment``.
        :raises Problem: 409 when the lead is out of the race.
        """
        if self.status not in OPEN_STATUSES:
            raise conflict(f"A lead that is {self.status} cannot be converted.")
        change = self._enter("converted", moment)
        self.account_id, self.contact_id = account_id, contact_id
        self.opportunity_id, self.converted_on = opportunity_id, on
        return Conversion(change, account_id, account_name, contact_id)

    def remind(self, now: datetime) -> bool:
        """Remember that its owner was told that it waits; False when it waits no more."""
        if self.status != "new" or self.reminded_at is not None:
            return False
        self.reminded_at = now
        return True

    def _enter(self, status: str, now: datetime) -> StatusChange:
        seconds = max(0, int((now - self.status_since).total_seconds()))
        change = StatusChange(self.status, status, seconds)
        self.status, self.status_since, self.reminded_at = status, now, None
        return change
