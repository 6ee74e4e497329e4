"""What can be done with price lists."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.directory import teams
from crm_chassis.imports import Row, resolve
from crm_chassis.imports.rows import Outcome
from crm_chassis.problems import conflict, invalid
from crm_sales import pricing
from crm_sales.price_lists import events
from crm_sales.price_lists.models import Price, PriceList
from crm_sales.products.models import Product

Breaks = Mapping[Decimal, Decimal]
"""Quantity from which to the price of a unit."""


def create(session: Session, values: dict[str, Any]) -> PriceList:
    """Add a price list, as yet without prices."""
    price_list = PriceList(**{"id": new_id()} | values)
    _check(session, price_list)
    session.add(price_list)
    events.price_list_created(session, price_list)
    return price_list


def change(session: Session, price_list: PriceList, changes: dict[str, Any]) -> bool:
    """Change the given fields; deals that were priced by the list keep their prices.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 409 for another currency once there are prices.
    """
    if changes.get("currency", price_list.currency) != price_list.currency:
        _require_no_prices(session, price_list)
    if not change_fields(price_list, changes):
        return False
    _check(session, price_list)
    events.price_list_changed(session, price_list)
    return True


def _require_no_prices(session: Session, price_list: PriceList) -> None:
    if session.scalar(select(exists().where(Price.price_list_id == price_list.id))):
        raise conflict(f"There are prices in {price_list.currency} on the list.")


def _check(session: Session, price_list: PriceList) -> None:
    pricing.minor_unit(price_list.currency)
    if price_list.valid_to is not None and price_list.valid_to < price_list.valid_from:
        raise invalid(("valid_to", f"Before it becomes valid, on {price_list.valid_from}."))
    team = price_list.team_id
    if team and session.scalar(select(teams.c.id).where(teams.c.id == team)) is None:
        raise invalid(("team_id", "No such team."))


def set_prices(session: Session, price_list: PriceList, product_id: str, wanted: Breaks) -> bool:
    """Set all prices of one product.

    :param price_list: locked.
    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 for a product that is none.
    """
    if session.get(Product, product_id) is None:
        raise invalid(("product_id", "No such product."))
    found = session.scalars(
        select(Price).where(Price.price_list_id == price_list.id, Price.product_id == product_id)
    )
    standing = {price.from_quantity: price for price in found}
    if {quantity: price.unit_price for quantity, price in standing.items()} == wanted:
        return False
    for quantity in standing.keys() - wanted.keys():
        session.delete(standing[quantity])
    for quantity, unit_price in wanted.items():
        _put(session, standing, price_list.id, product_id, quantity, unit_price)
    _tell(session, price_list, product_id, wanted)
    return True


def _put(
    session: Session,
    standing: dict[Decimal, Price],
    price_list_id: str,
    product_id: str,
    from_quantity: Decimal,
    unit_price: Decimal,
) -> Outcome:
    price = standing.get(from_quantity)
    if price is not None:
        return "changed" if change_fields(price, {"unit_price": unit_price}) else "unchanged"
    standing[from_quantity] = Price(
        price_list_id=price_list_id,
        product_id=product_id,
        from_quantity=from_quantity,
        unit_price=unit_price,
    )
    session.add(standing[from_quantity])
    return "created"


def _tell(session: Session, price_list: PriceList, product_id: str, breaks: Breaks) -> None:
    price_list.updated_at = utc_now()  # its prices are part of it: a new version
    events.product_priced(session, price_list, product_id, breaks)


def import_prices(session: Session, _principal: Principal, _key: str, rows: Sequence[Row]) -> None:
    """Set single prices; a row finds the one it changes by list, product and quantity."""
    resolve(session, rows, "price_list", "price_list_id", PriceList.__table__)
    resolve(session, rows, "product", "product_id", Product.__table__)
    rows = [row for row in rows if not row.refused]
    list_ids = {row.values["price_list_id"] for row in rows}
    lists = {
        price_list.id: price_list
        for price_list in session.scalars(
            select(PriceList)
            .where(PriceList.id.in_(list_ids))
            .order_by(PriceList.id)
            .with_for_update()
        )
    }
    standing: dict[tuple[str, str], dict[Decimal, Price]] = defaultdict(dict)
    for price in session.scalars(
        select(Price).where(
            Price.price_list_id.in_(list_ids),
            Price.product_id.in_({row.values["product_id"] for row in rows}),
        )
    ):
        standing[price.price_list_id, price.product_id][price.from_quantity] = price
    touched = set()
    for row in rows:
        values = row.values
        pair = values["price_list_id"], values["product_id"]
        quantity, unit_price = values.get("from_quantity", Decimal(0)), values["unit_price"]
        row.outcome = _put(session, standing[pair], *pair, quantity, unit_price)
        if row.outcome != "unchanged":
            touched.add(pair)
    for list_id, product_id in sorted(touched):
        prices = standing[list_id, product_id].values()
        breaks = {price.from_quantity: price.unit_price for price in prices}
        _tell(session, lists[list_id], product_id, breaks)
