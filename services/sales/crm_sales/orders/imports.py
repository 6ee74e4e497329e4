"""Orders out of a file: each row says an order of one line as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import change_fields, owned_by
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_chassis.problems import invalid
from crm_sales import pricing, replicas
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders import commands, events, queries, timers
from crm_sales.orders.models import Order, OrderLine
from crm_sales.products.models import Product
from crm_sales.receipts.queries import paid_orders
from crm_sales.receivables.models import Receivable

_HEADER = (
    "external_id",
    "account_id",
    "contact_id",
    "opportunity_id",
    "campaign_id",
    "owner_id",
    "team_id",
)
_DAYS = ("paid_on", "fulfilled_on", "completed_on", "cancelled_on")
_NEEDED = {
    "placed": (),
    "paid": ("paid_on",),
    "fulfilled": ("fulfilled_on",),
    "completed": ("completed_on",),
    "cancelled": ("cancelled_on",),
}
_NOTHING = Decimal(0)


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert orders.

    An order that is not paid by now although its time is over is overdue from the start; nobody is
    told so, for it is not news.
    """
    _resolve(session, rows)
    for row in rows:
        row.values.setdefault("status", "placed")
        row.values["placed_at"] = calendar.start_of(session, row.values["placed_on"])
        _check(row)
    products = _names_of_products(session, rows)
    known = _known(session, key, rows)
    bound = _bound(session, known)
    created: list[Order] = []
    changed: list[Order] = []

    def create(session: Session, values: dict[str, Any]) -> Order:
        order = _build(owned_by(principal) | values, products)
        session.add(order)
        created.append(order)
        return order

    def change(session: Session, order: Order, values: dict[str, Any]) -> bool:
        different = _change(order, values, products, bound=order.id in bound)
        if different:
            events.order_told(session, order, "changed")
            changed.append(order)
        return different

    upsert(session, Order, key, rows, create=create, change=change)
    commands.give_numbers(session, created)
    _await_payment(session, created)
    timers.rewatch(session, changed)
    for order in created:
        events.order_told(session, order, "placed")


def _resolve(session: Session, rows: Sequence[Row]) -> None:
    """Replace names by what they stand for."""
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "contact", "contact_id", replicas.contacts_by_key)
    resolve(session, rows, "opportunity", "opportunity_id", Opportunity.__table__)
    resolve(session, rows, "campaign", "campaign_id", replicas.campaigns)
    resolve_owner(session, rows)
    resolve(session, rows, "product", "product_id", Product.__table__)


def _known(session: Session, key: str, rows: Sequence[Row]) -> Sequence[Order]:
    """The orders that the rows are about."""
    keys = {row.values[key] for row in rows if not row.refused}
    return session.scalars(select(Order).where(getattr(Order, key).in_(keys))).all()


def _bound(session: Session, orders: Sequence[Order]) -> set[str]:
    """The orders whose amounts are bound: by receivables, receipts or returns."""
    ids = [order.id for order in orders]
    if not ids:
        return set()
    planned = session.scalars(
        select(Receivable.order_id).where(Receivable.order_id.in_(ids)).distinct()
    )
    returned = (order.id for order in orders if order.returned_amount > 0)
    return {*planned, *returned, *paid_orders(session, ids)}


def _names_of_products(session: Session, rows: Sequence[Row]) -> dict[str, str]:
    ids = {row.values["product_id"] for row in rows if "product_id" in row.values}
    if not ids:
        return {}
    found = session.execute(select(Product.id, Product.name).where(Product.id.in_(ids)))
    return dict(found.tuples().all())


def _await_payment(session: Session, orders: Sequence[Order]) -> None:
    commands.await_payment(orders, queries.settings(session))
    now = utc_now()
    for order in orders:
        late = order.payment_due_at is not None and order.payment_due_at <= now
        order.payment_overdue = late and order.open_amount > 0
    timers.watch(session, orders)


def _check(row: Row) -> None:
    values = row.values
    if "account_id" not in values and "contact_id" not in values and not row.refused:
        row.refuse("account", "An order is of an account or a contact.")
    if ("amount" in values) == ("unit_price" in values):
        row.refuse("amount", "Give the amount or the unit price.")
    if "amount" in values:
        for name in ("discount_percent", "tax_rate"):
            if name in values:
                row.refuse(name, "Not with an amount: it is the total.")
    for name in _NEEDED[values["status"]]:
        if name not in values:
            row.refuse(name, f"Needed of an order that is {values['status']}.")
    _check_days(row)


def _check_days(row: Row) -> None:
    values, status = row.values, row.values["status"]
    for name, of in (
        ("paid_on", ("paid", "fulfilled", "completed")),
        ("fulfilled_on", ("fulfilled", "completed")),
        ("completed_on", ("completed",)),
        ("cancelled_on", ("cancelled",)),
        ("cancel_reason", ("cancelled",)),
    ):
        if name in values and status not in of:
            row.refuse(name, f"An order that is {status} has none.")
    for name in ("fulfilled_on", "completed_on", "cancelled_on"):
        if name in values and values[name] < values["placed_on"]:
            row.refuse(name, f"Before the order was placed, on {values['placed_on']}.")


def _build(values: dict[str, Any], products: dict[str, str]) -> Order:
    of_order, of_line = _said(values, products)
    return Order(
        id=new_id(),
        return_status="none",
        payment_overdue=False,
        returned_amount=_NOTHING,
        placed_at=values["placed_at"],
        lines=[OrderLine(id=new_id(), position=1, **of_line)],
        **{name: values.get(name) for name in _HEADER},
        **of_order,
    )


def _put(order: Order, values: dict[str, Any], products: dict[str, str]) -> bool:
    """Have an order of one line stand as the row says; nothing else counts for it."""
    (line,) = order.lines
    of_order, of_line = _said(values, products)
    if order.placed_on != values["placed_on"]:
        order.placed_at = values["placed_at"]
    changed = [change_fields(line, of_line), change_fields(order, of_order)]
    return any(changed)


def _said(
    values: dict[str, Any], products: dict[str, str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The fields of an order and of its line that a row says."""
    of_line = _line(values, products)
    of_order = {
        "placed_on": values["placed_on"],
        "currency": values["currency"],
        "status": values["status"],
        **{name: of_line[name] for name in ("subtotal", "discount", "tax", "total")},
        **_standing(values, of_line["total"]),
    }
    return of_order, of_line


def _line(values: dict[str, Any], products: dict[str, str]) -> dict[str, Any]:
    quantity = values.get("quantity", Decimal(1))
    product_id = values.get("product_id")
    of_line = {
        "product_id": product_id,
        "product_name": values.get("product_name") or products.get(product_id or ""),
        "quantity": quantity,
        "discount_percent": values.get("discount_percent", _NOTHING),
        "tax_rate": values.get("tax_rate", _NOTHING),
        "returned_quantity": _NOTHING,
        "returned_amount": _NOTHING,
    }
    if "amount" in values:
        amount, currency = values["amount"], values["currency"]
        pricing.check_amount(amount, currency, "amount")
        unit_price = pricing.unit_price(amount, quantity)
        nothing = {"discount": _NOTHING, "tax": _NOTHING}
        return of_line | {"unit_price": unit_price, "subtotal": amount, "total": amount} | nothing
    sold = pricing.Line(
        quantity, values["unit_price"], of_line["discount_percent"], of_line["tax_rate"]
    )
    (cost,) = pricing.price([sold], values["currency"]).lines
    return of_line | {
        "unit_price": sold.unit_price,
        "subtotal": cost.subtotal,
        "discount": cost.discount,
        "tax": cost.tax,
        "total": cost.total,
    }


def _standing(values: dict[str, Any], total: Decimal) -> dict[str, Any]:
    """The days and the payment that go with a status."""
    days: dict[str, date | None] = {name: values.get(name) for name in _DAYS}
    paid = values["status"] in ("paid", "fulfilled", "completed")
    if paid and days["paid_on"] is None:
        days["paid_on"] = values["placed_on"]
    if values["status"] == "completed" and days["fulfilled_on"] is None:
        days["fulfilled_on"] = days["completed_on"]
    return {
        **days,
        "cancel_reason": values.get("cancel_reason"),
        "paid_amount": total if paid else _NOTHING,
    }


def _change(order: Order, values: dict[str, Any], products: dict[str, str], *, bound: bool) -> bool:
    """Have an order that is there stand as the row says.

    :raises Problem: 422 for another amount or status of an order that is bound to those it has.
    """
    header = {name: values[name] for name in _HEADER if name in values}
    if bound or len(order.lines) > 1:
        _require_as_it_is(order, values)
        return change_fields(order, header)
    return any([_put(order, values, products), change_fields(order, header)])


def _require_as_it_is(order: Order, values: dict[str, Any]) -> None:
    errors = [
        (name, f"It is {getattr(order, name)}, and other records refer to that.")
        for name in ("status", "currency", "placed_on")
        if values[name] != getattr(order, name)
    ]
    if "amount" in values and values["amount"] != order.total:
        errors.append(("amount", f"It is {order.total}, and other records refer to that."))
    if errors:
        raise invalid(*errors)
