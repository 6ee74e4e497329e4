"""What products cost for whom and when."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Amount, Id, Key, new_id
from crm_sales.tables import Tables


class PriceList(Versioned, Tables):
    """A list of prices in one currency.

    :ivar valid_to: the last day it is valid; None without end.
    :ivar team_id: the team whose deals it is for, with the teams below; None for everybody's.
    :ivar segment: the part of the market it is made for, in the words of the business.
    """

    __tablename__ = "price_lists"
    __table_args__ = (
        Index("price_lists_by_name", "name", "id"),
        Index("price_lists_by_created_at", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    currency: Mapped[str] = mapped_column(String(3))
    valid_from: Mapped[date]
    valid_to: Mapped[date | None]
    team_id: Mapped[Id | None]
    segment: Mapped[str | None] = mapped_column(String(100))
    active: Mapped[bool] = mapped_column(default=True)

    def is_valid(self, on: date) -> bool:
        """Whether it is in use on a day."""
        ended = self.valid_to is not None and self.valid_to < on
        return self.active and self.valid_from <= on and not ended


class Price(Tables):
    """What a unit of a product costs from a quantity on."""

    __tablename__ = "price_list_prices"
    __table_args__ = (
        UniqueConstraint("price_list_id", "product_id", "from_quantity"),
        Index("price_list_prices_in_order", "price_list_id", "id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    price_list_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("price_lists.id", ondelete="CASCADE")
    )
    product_id: Mapped[str] = mapped_column(Uuid(as_uuid=False), ForeignKey("products.id"))
    from_quantity: Mapped[Amount] = mapped_column(default=Decimal(0))
    unit_price: Mapped[Amount]
