"""What an amount is worth in the base currency."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session, aliased

from crm_chassis.problems import Problem, invalid
from crm_sales import pricing
from crm_sales.currencies.models import CurrencySettings, ExchangeRate

_ONE = Decimal(1)


def settings(session: Session, *, lock: bool = False) -> CurrencySettings:
    """The settings; of version 0, and not stored, before they are first set."""
    statement = select(CurrencySettings)
    found = session.scalars(statement.with_for_update() if lock else statement).one_or_none()
    return found or CurrencySettings(version=0, base_currency=None)


def base_currency(session: Session) -> str | None:
    """The currency that every deal's amount is also kept in, or None when that is not wanted."""
    return session.scalar(select(CurrencySettings.base_currency))


def with_currency(values: dict[str, Any], base: str | None) -> dict[str, Any]:
    """The values of what is new in a file, in the base currency where the row says no other.

    :raises Problem: 422 when there is none either.
    """
    if "currency" in values:
        return values
    if base is None:
        raise invalid(("currency", "Needed, as there is no base currency."))
    return values | {"currency": base}


@dataclass(frozen=True, slots=True)
class RateBook:
    """The rates of some currencies around some days.

    :ivar base: the base currency, or None when there is none; then nothing is converted.
    :ivar rates: currency to its rates as (day from which, rate), in order.
    """

    base: str | None
    rates: Mapping[str, Sequence[tuple[date, Decimal]]] = field(default_factory=dict)

    def rate(self, currency: str, on: date) -> Decimal:
        """What one unit of a currency was worth in the base currency on a day.

        :raises Problem: 422 when no rate is known for that day.
        """
        if currency == self.base:
            return _ONE
        known = self.rates.get(currency, ())
        place = bisect_right(known, on, key=lambda entry: entry[0])
        if not place:
            raise Problem(
                422,
                "exchange-rate-missing",
                f"There is no exchange rate from {currency} to {self.base} on {on}.",
                errors=[("currency", f"Has no exchange rate to {self.base} on {on}.")],
            )
        return known[place - 1][1]


def rate_book(session: Session, wanted: Collection[tuple[str, date]]) -> RateBook:
    """The rates that these currencies need on these days, in at most two queries for all."""
    base = base_currency(session)
    foreign = [(currency, on) for currency, on in wanted if currency != base]
    if base is None or not foreign:
        return RateBook(base)
    days = [on for _, on in foreign]
    earlier = aliased(ExchangeRate)
    in_force_at_first = (
        select(func.max(earlier.valid_from))
        .where(
            earlier.base_currency == base,
            earlier.currency == ExchangeRate.currency,
            earlier.valid_from <= min(days),
        )
        .correlate(ExchangeRate)
        .scalar_subquery()
    )
    found = session.execute(
        select(ExchangeRate.currency, ExchangeRate.valid_from, ExchangeRate.rate)
        .where(
            ExchangeRate.base_currency == base,
            ExchangeRate.currency.in_({currency for currency, _ in foreign}),
            ExchangeRate.valid_from <= max(days),
            ExchangeRate.valid_from >= func.coalesce(in_force_at_first, min(days)),
        )
        .order_by(ExchangeRate.valid_from)
    )
    rates: dict[str, list[tuple[date, Decimal]]] = defaultdict(list)
    for currency, valid_from, rate in found:
        rates[currency].append((valid_from, rate))
    return RateBook(base, rates)


def value_in_base(book: RateBook, amount: Decimal, currency: str, on: date) -> dict[str, Any]:
    """The columns that keep what an amount was worth in the base currency on a day.

    :raises Problem: 422 when no rate is known for that day, or no column holds the outcome.
    """
    if book.base is None:
        return dict.fromkeys(("exchange_rate", "base_amount", "base_currency"))
    return value_at(book.rate(currency, on), book.base, amount)


def value_at(rate: Decimal, base: str, amount: Decimal) -> dict[str, Any]:
    """The same at a rate that is known: rounded half up to the base currency's minor unit.

    :raises Problem: 422 when no column holds the outcome.
    """
    worth = pricing.EXACT.quantize(pricing.EXACT.multiply(amount, rate), pricing.minor_unit(base))
    if abs(worth) >= pricing.TOO_LARGE:
        raise invalid(("amount", f"Too large in {base}."))
    return {"exchange_rate": rate, "base_amount": worth, "base_currency": base}
