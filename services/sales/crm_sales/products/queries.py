"""What is asked about products."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from crm_sales.products.models import Product


def usual_prices(products: Iterable[Product], currency: str) -> dict[str | None, Decimal]:
    """The list price of each product that has one in a currency, by the product's id."""
    return {each.id: each.list_price for each in products if each.currency == currency}
