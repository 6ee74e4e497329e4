"""Who else sells to our customers."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_sales.tables import Tables


class Competitor(Versioned, Tables):
    """A competitor, with what speaks for and against it whatever the deal.

    :ivar active: False when it is not met any more.
    """

    __tablename__ = "competitors"
    __table_args__ = (Index("competitors_by_created_at", "created_at", "id"),)

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    website: Mapped[str | None] = mapped_column(String(500))
    strengths: Mapped[str | None] = mapped_column(String(2000))
    weaknesses: Mapped[str | None] = mapped_column(String(2000))
    active: Mapped[bool] = mapped_column(default=True)
