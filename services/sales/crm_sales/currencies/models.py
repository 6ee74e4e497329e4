"""The currency that deals are compared in, and what the others are worth in it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Exact
from crm_sales.tables import Tables

RATE_PLACES = 10


class Rate(Exact):
    """An exchange rate: the smallest unit of one currency may be a small part of another's."""

    cache_ok = True
    places = RATE_PLACES


class CurrencySettings(Versioned, Tables):
    """The one row of settings.

    :ivar base_currency: what every deal's amount is also kept in; None when that is not wanted.
    """

    __tablename__ = "currency_settings"

    one: Mapped[bool] = mapped_column(default=True, unique=True)
    base_currency: Mapped[str | None] = mapped_column(String(3))


class ExchangeRate(Versioned, Tables):
    """What one unit of a currency is worth in a base currency, from a day on until the next rate.

    :ivar base_currency: the base currency of the time when the rate was set.
    """

    __tablename__ = "exchange_rates"
    __table_args__ = (
        UniqueConstraint("base_currency", "currency", "valid_from"),
        Index("exchange_rates_by_valid_from", "valid_from", "id"),
    )

    base_currency: Mapped[str] = mapped_column(String(3))
    currency: Mapped[str] = mapped_column(String(3))
    valid_from: Mapped[date]
    rate: Mapped[Decimal] = mapped_column(Rate)
