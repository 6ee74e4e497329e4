"""What lines cost: the one place where amounts of money are multiplied, shared out and rounded.

Every amount is rounded to the minor unit of its currency, half up, once: where it comes to be.
Totals are sums of rounded lines and are not rounded again, so what a document says in a line adds
up to what it says below. Exponents of minor units are those of ISO 4217 (JPY 0, USD 2, KWD 3).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal
from functools import cache
from itertools import pairwise

import iso4217

from crm_chassis.database import MONEY_PLACES
from crm_chassis.problems import invalid

EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
"""No product of two stored numbers is longer."""
TOO_LARGE = Decimal(10) ** 14
"""What a money column holds is below this."""
_ZERO = Decimal(0)
_PERCENT = Decimal("0.01")
_FINEST = Decimal(1).scaleb(-MONEY_PLACES)


@dataclass(frozen=True, slots=True)
class Line:
    """What is sold.

    :ivar unit_price: before discount and tax, in up to four decimals whatever the currency.
    :ivar discount_percent: of the line's subtotal, 0 to 100.
    :ivar tax_rate: percent of what is left after the discount, 0 to 100.
    """

    quantity: Decimal
    unit_price: Decimal
    discount_percent: Decimal = _ZERO
    tax_rate: Decimal = _ZERO


@dataclass(frozen=True, slots=True)
class LineTotal:
    """What a line costs.

    :ivar subtotal: quantity times unit price.
    :ivar discount: the part of the subtotal that is let off.
    :ivar net: subtotal less discount.
    :ivar tax: on the net.
    :ivar total: net and tax.
    """

    subtotal: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class Totals:
    """What all lines cost together: each figure is the sum of that of the lines."""

    lines: Sequence[LineTotal]
    subtotal: Decimal
    discount: Decimal
    net: Decimal
    tax: Decimal
    total: Decimal


def price(lines: Sequence[Line], currency: str) -> Totals:
    """Price lines in a currency.

    :raises Problem: 422, ``currency`` for one without a minor unit, or ``lines.<place>.<field>``
        for a quantity that is not above zero, a price below zero, a percentage out of range, or a
        line that no amount can hold.
    """
    unit = minor_unit(currency)
    if errors := [error for place, line in enumerate(lines) for error in _refusals(place, line)]:
        raise invalid(*errors)
    priced = [_price_line(line, unit) for line in lines]
    totals = Totals(
        priced,
        subtotal=_sum(line.subtotal for line in priced),
        discount=_sum(line.discount for line in priced),
        net=_sum(line.net for line in priced),
        tax=_sum(line.tax for line in priced),
        total=_sum(line.total for line in priced),
    )
    if max(totals.subtotal, totals.total) >= TOO_LARGE:
        raise invalid(("lines", "Their total is too large."))
    return totals


def share(amount: Decimal, part: Decimal, whole: Decimal, currency: str) -> Decimal:
    """The part of an amount that goes with ``part`` of ``whole``, such as of a line's quantity.

    To share out piece by piece, take the difference between the shares of what was given so far,
    before and after: the pieces then add up to the amount exactly.
    """
    exact = EXACT.divide(EXACT.multiply(amount, part), whole)
    return EXACT.quantize(exact, minor_unit(currency))


def unit_price(amount: Decimal, quantity: Decimal) -> Decimal:
    """What one comes to in a line of which only the amount is known, to four decimals.

    :raises Problem: 422 naming ``quantity`` when no amount can hold it.
    """
    each = EXACT.quantize(EXACT.divide(amount, quantity), _FINEST)
    if each >= TOO_LARGE:
        raise invalid(("quantity", "Too small for this amount."))
    return each


def split(amount: Decimal, parts: int, currency: str) -> list[Decimal]:
    """An amount in parts that differ by one minor unit at most and add up to it exactly."""
    bounds = [share(amount, Decimal(place), Decimal(parts), currency) for place in range(parts + 1)]
    return [after - before for before, after in pairwise(bounds)]


def check_amount(amount: Decimal, currency: str, field: str) -> None:
    """Refuse an amount that nobody can pay, such as half a yen.

    :raises Problem: 422 naming ``field``, or ``currency``.
    """
    unit = minor_unit(currency)
    if EXACT.quantize(amount, unit) != amount:
        places = -int(unit.as_tuple().exponent)
        raise invalid((field, f"{currency} has {places or 'no'} decimals."))


@cache
def minor_unit(currency: str) -> Decimal:
    """The smallest amount of a currency: 0.01 for EUR, 1 for JPY.

    :raises Problem: 422 for what ISO 4217 does not list, or lists without one, such as gold.
    """
    try:
        exponent = iso4217.Currency(currency).exponent
    except ValueError:
        exponent = None
    if exponent is None:
        raise invalid(("currency", f"{currency} is not a currency that anything is priced in."))
    return Decimal(1).scaleb(-exponent)


def _price_line(line: Line, unit: Decimal) -> LineTotal:
    subtotal = EXACT.quantize(EXACT.multiply(line.quantity, line.unit_price), unit)
    discount = _percent(subtotal, line.discount_percent, unit)
    net = subtotal - discount
    tax = _percent(net, line.tax_rate, unit)
    return LineTotal(subtotal, discount, net, tax, net + tax)


def _percent(amount: Decimal, percent: Decimal, unit: Decimal) -> Decimal:
    exact = EXACT.multiply(EXACT.multiply(amount, percent), _PERCENT)
    return EXACT.quantize(exact, unit)


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for amount in amounts:
        total = EXACT.add(total, amount)
    return total


def _refusals(place: int, line: Line) -> Iterator[tuple[str, str]]:
    if not line.quantity > 0:
        yield f"lines.{place}.quantity", "Must be above zero."
    if not line.unit_price >= 0:
        yield f"lines.{place}.unit_price", "Must be zero or more."
    for name in ("discount_percent", "tax_rate"):
        if not 0 <= getattr(line, name) <= 100:
            yield f"lines.{place}.{name}", "Must be from 0 to 100."
    if EXACT.multiply(line.quantity, line.unit_price) >= TOO_LARGE:
        yield f"lines.{place}.unit_price", "Too large with this quantity."
