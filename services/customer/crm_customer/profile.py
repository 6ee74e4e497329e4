"""What is kept of every customer, company or person alike."""

from __future__ import annotations

from datetime import date

from sqlalchemy import String, Text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.database import Json
from crm_customer.lines import Lines

LEVELS = ("A", "B", "C")
SATISFACTIONS = ("high", "medium", "low")
MOST_ENTRIES = 20
"""Numbers, e-mail addresses or postal addresses of one customer."""


class Profile:
    """The columns that accounts and contacts share.

    :ivar level: the customer's rank, None when not ranked.
    :ivar satisfaction: from surveys, None before the first answer.
    :ivar created_on: the business day since when it is a customer, which imported ones bring along.
    """

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    phones: Mapped[list[str]] = mapped_column(Lines, default=list)
    emails: Mapped[list[str]] = mapped_column(Lines, default=list)
    addresses: Mapped[list[str]] = mapped_column(Json, default=list)
    preferences: Mapped[str | None] = mapped_column(Text)
    needs: Mapped[str | None] = mapped_column(Text)
    satisfaction: Mapped[str | None] = mapped_column(String(10))
    region: Mapped[str | None] = mapped_column(String(100))
    level: Mapped[str | None] = mapped_column(String(1))
    source: Mapped[str | None] = mapped_column(String(100))
    created_on: Mapped[date]
