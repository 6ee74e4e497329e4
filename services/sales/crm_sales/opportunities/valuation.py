"""What a deal is worth: its amount, and that in the base currency."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from crm_chassis.problems import invalid
from crm_sales.currencies.queries import RateBook, value_at, value_in_base
from crm_sales.opportunities.models import Opportunity
from crm_sales.pricing import TOO_LARGE
from crm_sales.products.models import Product

MOST_UNITS = 10**9
"""What a deal's quantity holds."""
_OF_LINES = ("amount", "currency", "quantity")


def priced(values: dict[str, Any], product: Product | None) -> dict[str, Any]:
    """The values of a new deal with amount and currency, from its product where they are missing.

    :raises Problem: 422 when neither the values nor a product say them.
    """
    missing = [name for name in ("amount", "currency") if name not in values]
    if not missing:
        return values
    if product is None:
        raise invalid(*((name, "Needed without a product.") for name in missing))
    amount = product.list_price * Decimal(values.get("quantity", 1))
    if "amount" in missing and amount >= TOO_LARGE:
        raise invalid(("quantity", "Too large at the product's price."))
    return {"amount": amount, "currency": product.currency} | values


def valued(values: dict[str, Any], book: RateBook, on: date) -> dict[str, Any]:
    """The values of a new deal with its amount in the base currency, at the rate of a day.

    :raises Problem: 422 when the rate is missing.
    """
    return values | value_in_base(book, values["amount"], values["currency"], on)


def revalued(
    opportunity: Opportunity,
    changes: dict[str, Any],
    book_for: Callable[[str], RateBook],
    on: date,
) -> dict[str, Any]:
    """Changes of a deal with what follows from them for its amount in the base currency.

    Another amount is converted at the rate of entry. A deal that has none, and another currency,
    enter now: at the rate of the day.

    :param book_for: gives the rates of a currency.
    :raises Problem: 422 when the rate is missing, or the amount follows from line items.
    """
    if opportunity.line_items:
        refused = [name for name in _OF_LINES if _differs(opportunity, changes, name)]
        if refused:
            raise invalid(*((name, "Follows from the line items.") for name in refused))
    return _with_base(opportunity, changes, book_for, on)


def valued_by_lines(
    opportunity: Opportunity, book_for: Callable[[str], RateBook], on: date
) -> dict[str, Any]:
    """What a deal is worth after its line items: the sum of their totals, and of their units.

    :returns: the changes; a deal without lines keeps what it is.
    :raises Problem: 422 when the rate is missing, or there are too many units.
    """
    if not opportunity.line_items:
        return {}
    units = sum((line.quantity for line in opportunity.line_items), Decimal(0))
    if units > MOST_UNITS:
        raise invalid(("lines", f"More than {MOST_UNITS} units."))
    amount = sum((line.total for line in opportunity.line_items), Decimal(0))
    changes = {"amount": amount, "quantity": int(units.to_integral_value(ROUND_HALF_UP))}
    return _with_base(opportunity, changes, book_for, on)


def _with_base(
    opportunity: Opportunity,
    changes: dict[str, Any],
    book_for: Callable[[str], RateBook],
    on: date,
) -> dict[str, Any]:
    if not (_differs(opportunity, changes, "amount") or _differs(opportunity, changes, "currency")):
        return changes
    amount = changes.get("amount", opportunity.amount)
    currency = changes.get("currency", opportunity.currency)
    rate, base = opportunity.exchange_rate, opportunity.base_currency
    if rate is None or base is None or currency != opportunity.currency:
        return changes | value_in_base(book_for(currency), amount, currency, on)
    return changes | value_at(rate, base, amount)


def _differs(opportunity: Opportunity, changes: dict[str, Any], name: str) -> bool:
    return name in changes and changes[name] != getattr(opportunity, name)
