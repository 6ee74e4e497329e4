"""Receipts out of a file: each is taken in once, and counts for the order it names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.imports import Row, resolve, upsert
from crm_chassis.problems import conflict, invalid
from crm_sales import replicas
from crm_sales.orders import queries as orders
from crm_sales.orders.models import Order
from crm_sales.receipts import commands
from crm_sales.receipts.models import Receipt

_ORDER_KEYS = select(Order.id, Order.external_id, Order.number.label("name")).subquery()


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Take in receipts. One that is there already stays as it is: money is not changed by a file.

    Their orders are locked all at once, in the order that everybody keeps to.
    """
    resolve(session, rows, "order", "order_id", _ORDER_KEYS)
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "contact", "contact_id", replicas.contacts_by_key)
    for row in rows:
        if "order_id" in row.values and {"account_id", "contact_id"} & row.values.keys():
            row.refuse("order", "The order says of whom the receipt is.")
    wanted = {row.values["order_id"] for row in rows if "order_id" in row.values}
    locked = orders.locked_all(session, sorted(wanted))

    books = commands.open_books(session, locked.values())

    def create(session: Session, values: dict[str, Any]) -> Receipt:
        order = locked.get(values.get("order_id", ""))
        return commands.take_in(session, principal, values, order, books)

    upsert(session, Receipt, key, rows, create=create, change=_as_it_was)
    commands.close_books(session, books)


def _as_it_was(_session: Session, receipt: Receipt, values: dict[str, Any]) -> bool:
    different = [name for name, value in values.items() if getattr(receipt, name) != value]
    if different and receipt.status == "reversed":
        raise conflict("The receipt is reversed.")
    if different:
        raise invalid(*((name, f"It is {getattr(receipt, name)}.") for name in different))
    return False
