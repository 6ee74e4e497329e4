"""What a person or a team is to sell in a month."""

from __future__ import annotations

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Amount, Id
from crm_sales.tables import Tables

SCOPES = ("team", "person")


class Target(Versioned, Tables):
    """One target of one team or person for one month and currency.

    :ivar member_id: the team's or the user's id.
    :ivar month: ``YYYY-MM``.
    """

    __tablename__ = "targets"
    __table_args__ = (
        UniqueConstraint("scope", "member_id", "month", "currency"),
        Index("targets_by_month", "month", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    scope: Mapped[str] = mapped_column(String(10))
    member_id: Mapped[Id]
    month: Mapped[str] = mapped_column(String(7))
    amount: Mapped[Amount]
    quantity: Mapped[int | None]
    currency: Mapped[str] = mapped_column(String(3))
