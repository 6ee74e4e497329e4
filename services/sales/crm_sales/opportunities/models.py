"""A deal on its way through a pipeline, and the logs of its way."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, ForeignKey, Index, String, Uuid, case, text
from sqlalchemy.ext.hybrid import hybrid_property
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, Money, new_id, utc_now
from crm_chassis.problems import conflict, invalid
from crm_sales.currencies.models import Rate
from crm_sales.pipelines.models import Stage
from crm_sales.tables import Tables

FORECAST_CATEGORIES = ("pipeline", "best_case", "commit", "closed", "omitted")
CHOSEN_CATEGORIES = ("pipeline", "best_case", "commit", "omitted")
"""What an open deal may be put into; ``closed`` is what is won."""
MOST_COMPETITORS = 50
"""On one deal."""

_LIKELY, _EVEN = 80, 50  # percent from which a deal is committed, and from which best case


@dataclass(frozen=True, slots=True)
class StageChange:
    """A move from stage to stage, with the seconds spent in the one before.

    :ivar kind: what the move means, the last part of its event's name.
    """

    kind: str
    from_pipeline: str
    from_stage: str
    to_stage: str
    from_stage_order: int
    to_stage_order: int
    seconds: int


class LineItem(Tables):
    """What is sold by a deal.

    :ivar position: its place on the deal, from 1.
    :ivar unit_price: before the discount.
    :ivar discount_percent: what is let off, percent.
    :ivar total: what is left, rounded to the currency's minor unit.
    :ivar price_list_id: where the price was taken from; None for one that was given.
    """

    __tablename__ = "opportunity_lines"
    __table_args__ = (Index("opportunity_lines_in_order", "opportunity_id", "position"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE")
    )
    position: Mapped[int]
    product_id: Mapped[Id]
    price_list_id: Mapped[Id | None]
    description: Mapped[str | None] = mapped_column(String(500))
    quantity: Mapped[Amount]
    unit_price: Mapped[Amount]
    discount_percent: Mapped[Amount]
    total: Mapped[Amount]


class OpportunityCompetitor(Tables):
    """A competitor that is met on a deal.

    :ivar strengths: what speaks for it on this deal; :ivar weaknesses: what speaks against it.
    :ivar took_the_deal: True when the deal was lost to it.
    """

    __tablename__ = "opportunity_competitors"
    __table_args__ = (
        Index("opportunity_competitors_by_competitor", "competitor_id", "opportunity_id"),
    )

    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE"), primary_key=True
    )
    competitor_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("competitors.id"), primary_key=True
    )
    strengths: Mapped[str | None] = mapped_column(String(2000))
    weaknesses: Mapped[str | None] = mapped_column(String(2000))
    took_the_deal: Mapped[bool] = mapped_column(default=False)


class Opportunity(Versioned, Owned, Tables):
    """A deal. Its stage's type says whether it is open, won, lost or invalid.

    :ivar stage_order: the stage's place in its pipeline, as it was on entry.
    :ivar probability: percent, as it was on entry to the stage.
    :ivar exchange_rate: what a unit of the currency was worth in ``base_currency`` when the deal
        got its currency; None when there was no base currency then.
    :ivar base_amount: the amount at that rate.
    :ivar opened_on: None while the customer is not engaged yet.
    :ivar forecast_override: the forecast category that somebody chose for the open deal.
    """

    __tablename__ = "opportunities"
    __table_args__ = (
        Index("opportunities_by_created_at", "created_at", "id"),
        Index("opportunities_by_name", "name", "id"),
        Index("opportunities_by_amount", "amount", "id"),
        Index("opportunities_by_owner", "owner_id", "created_at", "id"),
        Index("opportunities_by_team", "team_id", "created_at", "id"),
        Index("opportunities_by_stage", "stage", "created_at", "id"),
        Index("opportunities_by_pipeline", "pipeline", "created_at", "id"),
        Index("opportunities_by_account", "account_id", "created_at", "id"),
        Index("opportunities_by_closed_on", "closed_on", "id"),
        Index("opportunities_by_next_step_on", "next_step_on", "id"),
        Index(
            "opportunities_open_by_team",
            "team_id",
            "id",
            postgresql_where=text("stage_type = 'open'"),
            sqlite_where=text("stage_type = 'open'"),
        ),
        Index(
            "opportunities_idle",
            "stage_since",
            "id",
            postgresql_where=text("stage_type = 'open'"),
            sqlite_where=text("stage_type = 'open'"),
        ),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    product_id: Mapped[Id | None]
    lead_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), unique=True)
    campaign_id: Mapped[Id | None]
    source: Mapped[str | None] = mapped_column(String(100))
    pipeline: Mapped[str] = mapped_column(String(64))
    stage: Mapped[str] = mapped_column(String(64))
    stage_order: Mapped[int]
    stage_type: Mapped[str] = mapped_column(String(10))
    stage_since: Mapped[Instant]
    probability: Mapped[int]
    amount: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    exchange_rate: Mapped[Decimal | None] = mapped_column(Rate)
    base_amount: Mapped[Decimal | None] = mapped_column(Money)
    base_currency: Mapped[str | None] = mapped_column(String(3))
    quantity: Mapped[int] = mapped_column(default=1)
    opened_on: Mapped[date | None]
    expected_close_on: Mapped[date | None]
    closed_on: Mapped[date | None]
    lost_reason: Mapped[str | None] = mapped_column(String(100))
    next_step: Mapped[str | None] = mapped_column(String(200))
    next_step_on: Mapped[date | None]
    forecast_override: Mapped[str | None] = mapped_column(String(10))

    # Part of the public state, so they come with the deal, in one query for all deals asked for.
    line_items: Mapped[list[LineItem]] = relationship(
        order_by=LineItem.position,
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )
    competitors: Mapped[list[OpportunityCompetitor]] = relationship(
        order_by=OpportunityCompetitor.competitor_id,
        lazy="selectin",
        cascade="all, delete-orphan",
        passive_deletes=True,
    )

    @property
    def is_open(self) -> bool:
        return self.stage_type == "open"

    @property
    def competitor_ids(self) -> list[str]:
        return sorted(competitor.competitor_id for competitor in self.competitors)

    @hybrid_property
    def forecast_category(self) -> str:
        """How surely the deal counts: chosen, or by its probability; by its end once it closed."""
        if self.stage_type != "open":
            return "closed" if self.stage_type == "won" else "omitted"
        if self.forecast_override:
            return self.forecast_override
        if self.probability >= _LIKELY:
            return "commit"
        return "best_case" if self.probability >= _EVEN else "pipeline"

    @forecast_category.inplace.expression
    @classmethod
    def _forecast_category(cls) -> ColumnElement[str]:
        return case(
            (cls.stage_type == "won", "closed"),
            (cls.stage_type != "open", "omitted"),
            (cls.forecast_override.is_not(None), cls.forecast_override),
            (cls.probability >= _LIKELY, "commit"),
            (cls.probability >= _EVEN, "best_case"),
            else_="pipeline",
        )

    def advance(self, stage: Stage) -> StageChange:
        """Move to another open stage, of the same pipeline or of another one.

        :raises Problem: 409 when the deal is closed; 422 when the stage closes it, or requires what
            the deal does not have; then nothing is changed.
        """
        self._require_open()
        if stage.type != "open":
            raise invalid(("stage", "Win or lose the opportunity to close it."))
        if (stage.pipeline, stage.key) == (self.pipeline, self.stage):
            raise conflict(f"The opportunity is in {stage.key} already.")
        return self._enter(stage, "stage_changed", utc_now())

    def win(self, stage: Stage, on: date, moment: datetime) -> StageChange:
        """Close the deal as won.

        :param on: the business day of ``moment``.
        :raises Problem: 409 when the deal is closed; 422 when it closes before it opened.
        """
        self._close(on)
        return self._enter(stage, "won", moment)

    def lose(
        self, stage: Stage, on: date, moment: datetime, reason: str, taken_by: str | None = None
    ) -> StageChange:
        """Close the deal as lost.

        :param on: the business day of ``moment``.
        :param taken_by: the competitor of the deal who won it, if one is known to have.
        :raises Problem: 409 when the deal is closed; 422 when it closes before it opened.
        """
        self._close(on)
        self.lost_reason = reason
        for competitor in self.competitors:
            competitor.took_the_deal = competitor.competitor_id == taken_by
        return self._enter(stage, "lost", moment)

    def reopen(self, stage: Stage) -> StageChange:
        """Take up a closed deal again, in an open stage.

        :raises Problem: 409 when the deal is open; 422 when the stage is not an open one.
        """
        if self.is_open:
            raise conflict("The opportunity is open.")
        if stage.type != "open":
            raise invalid(("stage", "A deal is reopened in an open stage."))
        self.forget_end()
        return self._enter(stage, "reopened", utc_now())

    def forget_end(self) -> None:
        """Have no day on which the deal was closed, and nothing that it was lost for or to."""
        self.closed_on = self.lost_reason = None
        for competitor in self.competitors:
            competitor.took_the_deal = False

    def _require_open(self) -> None:
        if not self.is_open:
            raise conflict(f"The opportunity is {self.stage_type}: reopen it first.")

    def _close(self, on: date) -> None:
        self._require_open()
        if self.opened_on is not None and on < self.opened_on:
            raise invalid(("closed_on", f"Before the deal was opened, on {self.opened_on}."))
        self.closed_on = on

    def _enter(self, stage: Stage, kind: str, moment: datetime) -> StageChange:
        self.require_fields(stage)
        change = StageChange(
            kind,
            self.pipeline,
            self.stage,
            stage.key,
            self.stage_order,
            stage.position,
            max(0, int((moment - self.stage_since).total_seconds())),
        )
        self.place(stage, moment)
        return change

    def require_fields(self, stage: Stage) -> None:
        """Refuse a stage that requires what the deal does not have.

        :raises Problem: 422 naming every field.
        """
        missing = [name for name in stage.required_fields if not self._has(name)]
        if missing:
            raise invalid(*((name, f"The stage {stage.key} requires it.") for name in missing))

    def _has(self, name: str) -> bool:
        """Whether a field is filled; an amount of zero is none."""
        if name == "product":
            return bool(self.product_id or self.line_items)
        return bool(getattr(self, name))

    def place(self, stage: Stage, since: datetime) -> None:
        """Be in a stage since a moment, without a move from another one being told."""
        self.pipeline, self.stage = stage.pipeline, stage.key
        self.stage_order, self.stage_type = stage.position, stage.type
        self.probability, self.stage_since = stage.probability, since
        if stage.type != "open":
            self.forecast_override = None


class StageEntry(Tables):
    """One line of the stage log.

    :ivar pipeline: that of ``to_stage``; None in lines from before there were several.
    :ivar seconds: how long the deal was in ``from_stage``; None for the first entry.
    """

    __tablename__ = "stage_log"
    __table_args__ = (Index("stage_log_by_opportunity", "opportunity_id", "entered_at", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE")
    )
    opportunity: Mapped[Opportunity] = relationship()
    pipeline: Mapped[str | None] = mapped_column(String(64))
    from_stage: Mapped[str | None] = mapped_column(String(64))
    to_stage: Mapped[str] = mapped_column(String(64))
    seconds: Mapped[int | None]
    entered_at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(64))


class ForecastEntry(Tables):
    """One line of the forecast log: what a deal was forecast at before a change and after it."""

    __tablename__ = "forecast_log"
    __table_args__ = (
        Index("forecast_log_by_opportunity", "opportunity_id", "changed_at", "id"),
        Index("forecast_log_by_changed_at", "changed_at", "id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE")
    )
    from_category: Mapped[str] = mapped_column(String(10))
    to_category: Mapped[str] = mapped_column(String(10))
    from_probability: Mapped[int]
    to_probability: Mapped[int]
    from_amount: Mapped[Amount]
    to_amount: Mapped[Amount]
    from_currency: Mapped[str] = mapped_column(String(3))
    to_currency: Mapped[str] = mapped_column(String(3))
    from_expected_close_on: Mapped[date | None]
    to_expected_close_on: Mapped[date | None]
    changed_at: Mapped[Instant]
    actor: Mapped[str] = mapped_column(String(64))
