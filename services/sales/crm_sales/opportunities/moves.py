"""The log of what moves the open pipelines of teams: each deal before a change and after it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, Session, mapped_column, relationship

from crm_chassis.database import Amount, Id, Instant, Key, Money, new_id, utc_now
from crm_sales.opportunities.models import Opportunity
from crm_sales.tables import Tables

_TOLD = (
    "team_id",
    "owner_id",
    "pipeline",
    "stage",
    "stage_order",
    "stage_type",
    "amount",
    "currency",
    "expected_close_on",
)


class DealMove(Tables):
    """One line of the log; what was before is None in the line of a new deal."""

    __tablename__ = "deal_moves"
    __table_args__ = (
        Index("deal_moves_from_team", "from_team_id", "moved_at", "id"),
        Index("deal_moves_to_team", "to_team_id", "moved_at", "id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    opportunity_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("opportunities.id", ondelete="CASCADE")
    )
    opportunity: Mapped[Opportunity] = relationship()
    moved_at: Mapped[Instant]
    from_team_id: Mapped[Id | None]
    to_team_id: Mapped[Id | None]
    from_owner_id: Mapped[Id | None]
    to_owner_id: Mapped[Id | None]
    from_pipeline: Mapped[str | None] = mapped_column(String(64))
    to_pipeline: Mapped[str] = mapped_column(String(64))
    from_stage: Mapped[str | None] = mapped_column(String(64))
    to_stage: Mapped[str] = mapped_column(String(64))
    from_stage_order: Mapped[int | None]
    to_stage_order: Mapped[int]
    from_stage_type: Mapped[str | None] = mapped_column(String(10))
    to_stage_type: Mapped[str] = mapped_column(String(10))
    from_amount: Mapped[Decimal | None] = mapped_column(Money)
    to_amount: Mapped[Amount]
    from_currency: Mapped[str | None] = mapped_column(String(3))
    to_currency: Mapped[str] = mapped_column(String(3))
    from_expected_close_on: Mapped[date | None]
    to_expected_close_on: Mapped[date | None]


def _place(opportunity: Opportunity) -> dict[str, Any]:
    return {name: getattr(opportunity, name) for name in _TOLD}


def opened(session: Session, opportunity: Opportunity) -> None:
    """Write the line of a new deal, once it has its owner."""
    after = {f"to_{name}": value for name, value in _place(opportunity).items()}
    session.add(DealMove(opportunity=opportunity, moved_at=utc_now(), **after))


@contextmanager
def logged(session: Session, opportunity: Opportunity) -> Iterator[None]:
    """Write a line if what is done in the block moves the deal."""
    before = _place(opportunity)
    yield
    after = _place(opportunity)
    if before == after:
        return
    session.add(
        DealMove(
            opportunity_id=opportunity.id,
            moved_at=utc_now(),
            **{f"from_{name}": value for name, value in before.items()},
            **{f"to_{name}": value for name, value in after.items()},
        )
    )
