"""What a person, a team or the company is to sell or to receive in a month."""

from __future__ import annotations

from sqlalchemy import Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Amount, Id
from crm_sales.tables import Tables

SCOPES = ("company", "team", "person")
MEASURES = ("sales", "receipts")
"""What is aimed at: the amounts of won deals, or the money that comes in."""

_OF_COMPANY = text("scope = 'company'")  # in a key of several columns, no NULL equals another


class Target(Versioned, Tables):
    """One target of the company, a team or a person for one measure, month and currency.

    :ivar member_id: the team's or the user's id; None for the company.
    :ivar month: ``YYYY-MM``.
    """

    __tablename__ = "targets"
    __table_args__ = (
        UniqueConstraint("scope", "measure", "member_id", "month", "currency"),
        Index(
            "targets_of_company",
            "measure",
            "month",
            "currency",
            unique=True,
            postgresql_where=_OF_COMPANY,
            sqlite_where=_OF_COMPANY,
        ),
        Index("targets_by_month", "month", "id"),
        Index("targets_by_member", "member_id", "month", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    scope: Mapped[str] = mapped_column(String(10))
    measure: Mapped[str] = mapped_column(String(10), server_default="sales")
    member_id: Mapped[Id | None]
    month: Mapped[str] = mapped_column(String(7))
    amount: Mapped[Amount]
    quantity: Mapped[int | None]
    currency: Mapped[str] = mapped_column(String(3))
