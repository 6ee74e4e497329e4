"""A deal on its way through a pipeline, and the log of its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, new_id, utc_now
from crm_chassis.problems import conflict, invalid
from crm_sales.days import moment_on
from crm_sales.tables import Tables

DEFAULT_PIPELINE = "default"
STAGE_TYPES = ("open", "won", "lost", "invalid")


class Stage(Tables):
    """A stage of a pipeline.

    :ivar position: its place in the pipeline, from 1.
    :ivar probability: percent, what an opportunity gets on entry.
    """

    __tablename__ = "stages"

    pipeline: Mapped[str] = mapped_column(String(64), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    position: Mapped[int]
    type: Mapped[str] = mapped_column(String(10))
    probability: Mapped[int]


@dataclass(frozen=True, slots=True)
class StageChange:
    """A move from stage to stage, with the seconds spent in the one before.

    :ivar kind: what the move means, the last part of its event's name.
    """

    kind: str
    from_stage: str
    to_stage: str
    from_stage_order: int
    to_stage_order: int
    seconds: int


class Opportunity(Versioned, Owned, Tables):
    """A deal. Its stage's type says whether it is open, won, lost or invalid.

    :ivar probability: percent, as it was on entry to the stage.
    :ivar opened_on: None while the customer is not engaged yet.
    """

    __tablename__ = "opportunities"
    __table_args__ = (
        Index("opportunities_by_created_at", "created_at", "id"),
        Index("opportunities_by_name", "name", "id"),
        Index("opportunities_by_amount", "amount", "id"),
        Index("opportunities_by_owner", "owner_id", "created_at", "id"),
        Index("opportunities_by_team", "team_id", "created_at", "id"),
        Index("opportunities_by_stage", "stage", "created_at", "id"),
        Index("opportunities_by_account", "account_id", "created_at", "id"),
        Index("opportunities_by_closed_on", "closed_on", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    product_id: Mapped[Id | None]
    lead_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), unique=True)
    campaign_id: Mapped[Id | None]
    source: Mapped[str | None] = mapped_column(String(100))
    pipeline: Mapped[str] = mapped_column(String(64), default=DEFAULT_PIPELINE)
    stage: Mapped[str] = mapped_column(String(64))
    stage_order: Mapped[int]
    stage_type: Mapped[str] = mapped_column(String(10))
    stage_since: Mapped[Instant]
    probability: Mapped[int]
    amount: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    quantity: Mapped[int] = mapped_column(default=1)
    opened_on: Mapped[date | None]
    expected_close_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    lost_reason: Mapped[str | None] = mapped_column(String(100))

    @property
    def is_open(self) -> bool:
        return self.stage_type == "open"

    def advance(self, stage: Stage) -> StageChange:
        """Move to another open stage.

        :raises Problem: 409 when the deal is closed; 422 when the stage closes it.
        """
        self._require_open()
        if stage.type != "open":
            raise invalid(("stage", "Win or lose the opportunity to close it."))
        if stage.key == self.stage:
            raise conflict(f"The opportunity is in {stage.key} already.")
        return self._enter(stage, "stage_changed", utc_now())

    def win(self, stage: Stage, on: date, amount: Decimal | None) -> StageChange:
        """Close the deal as won, at its final amount if one is given.

        :raises Problem: 409 when the deal is closed; 422 when it closes before it opened.
        """
        self._close(on)
        if amount is not None:
            self.amount = amount
        return self._enter(stage, "won", moment_on(on))

    def lose(self, stage: Stage, on: date, reason: str) -> StageChange:
        """Close the deal as lost.

        :raises Problem: 409 when the deal is closed; 422 when it closes before it opened.
        """
        self._close(on)
        self.lost_reason = reason
        return self._enter(stage, "lost", moment_on(on))

    def reopen(self, stage: Stage) -> StageChange:
        """Take up a closed deal again, in an open stage.

        :raises Problem: 409 when the deal is open; 422 when the stage is not an open one.
        """
        if self.is_open:
            raise conflict("The opportunity is open.")
        if stage.type != "open":
            raise invalid(("stage", "A deal is reopened in an open stage."))
        self.closed_on = self.lost_reason = None
        return self._enter(stage, "reopened", utc_now())

    def _require_open(self) -> None:
        if not self.is_open:
            raise conflict(f"The opportunity is {self.stage_type}: reopen it first.")

    def _close(self, on: date) -> None:
        self._require_open()
        if self.opened_on is not None and on < self.opened_on:
            raise invalid(("closed_on", f"Before the deal was opened, on {self.opened_on}."))
        self.closed_on = on

    def _enter(self, stage: Stage, kind: str, moment: datetime) -> StageChange:
        change = StageChange(
            kind,
            self.stage,
            stage.key,
            self.stage_order,
            stage.position,
            max(0, int((moment - self.stage_since).total_seconds())),
        )
        self.place(stage)
        return change

    def place(self, stage: Stage) -> None:
        """Be in a stage, without a move from another one being told."""
        self.pipeline, self.stage = stage.pipeline, stage.key
        self.stage_order, self.stage_type = stage.position, stage.type
        self.probability, self.stage_since = stage.probability, utc_now()


class StageEntry(Tables):
    """One line of the stage log.

    :ivar seconds: how long the deal was in ``from_stage``; None for the first entry.
    """

    __tablename__ = "stage_log"
    __table_args__ = (Index("stage_log_by_opportunity", "opportunity_id", "entered_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE")
    )
    opportunity: Mapped[Opportunity] = relationship()
    from_stage: Mapped[str | None] = mapped_column(String(64))
    to_stage: Mapped[str] = mapped_column(String(64))
    seconds: Mapped[int | None]
    entered_at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(64))
