"""How much somebody may let off the price."""

from __future__ import annotations

from decimal import Decimal

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Money
from crm_sales.tables import Tables


class DiscountLimit(Versioned, Tables):
    """The most that a role may let off a line.

    :ivar role: the role's name at the gateway.
    :ivar max_percent: percent, up to four decimals; None for no limit.
    """

    __tablename__ = "discount_limits"

    role: Mapped[str] = mapped_column(String(64), unique=True)
    max_percent: Mapped[Decimal | None] = mapped_column(Money)
