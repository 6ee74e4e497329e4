"""The lines of quotes and of orders, as they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.problems import invalid
from crm_sales.discounts.queries import Offered
from crm_sales.products.models import Product
from crm_sales.products.queries import by_id


def completed(
    session: Session, given: Sequence[Mapping[str, Any]], currency: str
) -> tuple[list[dict[str, Any]], dict[int, Offered]]:
    """Lines with the names of their products, and the list prices where no others are given.

    :returns: the lines, and what each is sold for, by their places.
    :raises Problem: 422 naming each line whose product is not there, or that lacks a name or a
        price that no product gives.
    """
    products = by_id(session, (line.get("product_id") for line in given))
    asked = [(line, products.get(line.get("product_id") or "")) for line in given]
    errors = [
        (f"lines.{place}.{field}", why)
        for place, (line, product) in enumerate(asked)
        for field, why in _refusals(line, product, currency)
    ]
    if errors:
        raise invalid(*errors)
    lines: list[dict[str, Any]] = []
    offered: dict[int, Offered] = {}
    for place, (line, product) in enumerate(asked):
        name = line.get("product_name") or (product and product.name)
        usual = product.list_price if product and product.currency == currency else None
        unit_price = line.get("unit_price", usual)
        lines.append({**line, "product_name": name, "unit_price": unit_price})
        offered[place] = Offered(usual, unit_price, line["discount_percent"])
    return lines, offered


def _refusals(
    line: Mapping[str, Any], product: Product | None, currency: str
) -> Iterator[tuple[str, str]]:
    if line.get("product_id") and product is None:
        yield "product_id", "No such product."
        return
    if product is None and not line.get("product_name"):
        yield "product_name", "Needed without a product."
    if "unit_price" not in line and (product is None or product.currency != currency):
        yield "unit_price", f"Needed without a product that has a price in {currency}."
