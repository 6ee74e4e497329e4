"""How good the records were, day by day."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.database import Id, Key, new_id
from crm_customer.tables import Tables

GROUPS = ("owner", "team")
"""What a summary of quality can be by."""


class QualityDay(Tables):
    """The records of one owner at the end of a day, or up to now.

    :ivar valid: how many of them have no fault.
    :ivar quality_sum: of their percents; :ivar completeness_sum: likewise.
    """

    __tablename__ = "quality_days"
    __table_args__ = (Index("quality_days_by_day", "kind", "day"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    kind: Mapped[str] = mapped_column(String(10))
    day: Mapped[date]
    owner_id: Mapped[Id | None]
    team_id: Mapped[Id | None]
    records: Mapped[int]
    valid: Mapped[int]
    quality_sum: Mapped[int]
    completeness_sum: Mapped[int]
