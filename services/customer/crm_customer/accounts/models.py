"""A customer: a company, or a consumer."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id, Money
from crm_customer.profile import Profile
from crm_customer.tables import Tables

KINDS = ("business", "consumer")


class Account(Profile, Versioned, Owned, Tables):
    """An account. Those that own one another form trees, by ``parent_id``.

    :ivar annual_revenue: in ``currency``, which stands wherever this does.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        Index("accounts_by_created_at", "created_at", "id"),
        Index("accounts_by_name", "name", "id"),
        Index("accounts_by_owner", "owner_id", "created_at", "id"),
        Index("accounts_by_team", "team_id", "created_at", "id"),
        Index("accounts_by_parent", "parent_id", "created_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(10), default="business")
    industry: Mapped[str | None] = mapped_column(String(100))
    website: Mapped[str | None] = mapped_column(String(500))
    employees: Mapped[int | None]
    annual_revenue: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str | None] = mapped_column(String(3))
    founded_year: Mapped[int | None]
    parent_id: Mapped[Id | None] = mapped_column(ForeignKey("accounts.id"))
