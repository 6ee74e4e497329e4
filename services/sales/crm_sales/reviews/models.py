"""A team's weekly look at the deals that need one."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Json
from crm_chassis.problems import conflict
from crm_sales.tables import Tables

REASONS = ("stuck", "slipped", "big")
REVIEW_STATUSES = ("open", "closed")
DEAL_STATUSES = ("open", "discussed")
QUESTION_STATUSES = ("open", "answered", "dropped")


class Review(Versioned, Owned, Tables):
    """The review of a team, with the teams below it, in a week. Its owner opened it.

    :ivar week: the Monday of the week.
    :ivar stuck_days: and the two after it: the rules its deals were picked by.
    """

    __tablename__ = "reviews"
    __table_args__ = (
        UniqueConstraint("team_id", "week"),
        Index("reviews_by_week", "week", "id"),
        Index("reviews_by_owner", "owner_id", "week", "id"),
    )

    week: Mapped[date]
    status: Mapped[str] = mapped_column(String(10), default="open")
    stuck_days: Mapped[int]
    stuck_percent: Mapped[int]
    big_percentile: Mapped[int]
    closed_at: Mapped[Instant | None]

    def close(self, now: datetime) -> None:
        """Be over; its questions stay.

        :raises Problem: 409 when it is closed.
        """
        if self.status == "closed":
            raise conflict("The review is closed.")
        self.status, self.closed_at = "closed", now


class ReviewDeal(Versioned, Owned, Tables):
    """A deal that was picked, as it stood then.

    :ivar reasons: why it was picked.
    :ivar previous_close_on: when it was expected to close at the review before.
    """

    __tablename__ = "review_deals"
    __table_args__ = (
        UniqueConstraint("review_id", "opportunity_id"),
        Index("review_deals_by_amount", "review_id", "amount", "id"),
    )

    review_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("reviews.id", ondelete="CASCADE")
    )
    opportunity_id: Mapped[Id]
    reasons: Mapped[list[str]] = mapped_column(Json)
    name: Mapped[str] = mapped_column(String(200))
    stage: Mapped[str] = mapped_column(String(64))
    days_in_stage: Mapped[int]
    amount: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    expected_close_on: Mapped[date | None]
    previous_close_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10), default="open")
    note: Mapped[str | None] = mapped_column(String(4000))


class ReviewClosing(Tables):
    """When a deal was expected to close at a review, for the next one to compare with."""

    __tablename__ = "review_closings"

    review_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("reviews.id", ondelete="CASCADE"), primary_key=True
    )
    opportunity_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), primary_key=True)
    expected_close_on: Mapped[date]


class ReviewQuestion(Versioned, Owned, Tables):
    """A question about a deal. Its owner is who is to answer it."""

    __tablename__ = "review_questions"
    __table_args__ = (
        Index("review_questions_by_created_at", "created_at", "id"),
        Index("review_questions_by_owner", "owner_id", "status", "created_at", "id"),
        Index("review_questions_by_review", "review_id", "created_at", "id"),
    )

    review_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("reviews.id", ondelete="CASCADE")
    )
    deal_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("review_deals.id", ondelete="CASCADE")
    )
    opportunity_id: Mapped[Id]
    text: Mapped[str] = mapped_column(String(1000))
    asked_by: Mapped[Id]
    due_on: Mapped[date | None]
    status: Mapped[str] = mapped_column(String(10), default="open")
    answer: Mapped[str | None] = mapped_column(String(4000))
    answered_by: Mapped[Id | None]
    answered_at: Mapped[Instant | None]

    def give_answer(self, answer: str, by: str, now: datetime) -> None:
        """Be answered.

        :raises Problem: 409 when it is not open.
        """
        self._require_open()
        self.status, self.answer, self.answered_by, self.answered_at = "answered", answer, by, now

    def drop(self) -> None:
        """Need no answer any more.

        :raises Problem: 409 when it is not open.
        """
        self._require_open()
        self.status = "dropped"

    def _require_open(self) -> None:
        if self.status != "open":
            raise conflict(f"The question is {self.status}.")
