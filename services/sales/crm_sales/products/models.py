"""What is sold."""

from __future__ import annotations

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Amount
from crm_sales.tables import Tables


class Product(Versioned, Tables):
    """A product with its list price, which an opportunity without an amount is valued at."""

    __tablename__ = "products"
    __table_args__ = (
        Index("products_by_name", "name", "id"),
        Index("products_by_created_at", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    series: Mapped[str | None] = mapped_column(String(100))
    list_price: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    active: Mapped[bool] = mapped_column(default=True)
