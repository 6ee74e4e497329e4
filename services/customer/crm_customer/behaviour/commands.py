"""The figures of customers, from the replica of their orders."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    func,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from crm_chassis.database import Money, insert_into
from crm_chassis.fields import decimal_text
from crm_customer.behaviour.models import customer_figures
from crm_customer.kinds import KINDS, of_kind
from crm_customer.replicas import Customers, order_lines, order_returns, orders

MOST_PREFERRED = 5
"""Preferred products that are kept of a customer."""

_NOTHING = Decimal(0)

OrderDays = Mapping[date, int]
"""A customer's order days, oldest first, and the orders of each."""


@dataclass(slots=True)
class _Purchases:
    """What a customer bought.

    :ivar days: orders by order day; :ivar orders: by currency; :ivar spend: by currency.
    """

    days: Counter[date] = field(default_factory=Counter)
    orders: Counter[str] = field(default_factory=Counter)
    spend: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))

    @property
    def currency(self) -> str:
        """The currency of most orders, the first of the alphabet where two are level."""
        return min(self.orders, key=lambda currency: (-self.orders[currency], currency), default="")


def lock(session: Session, customers: Customers) -> None:
    """Let no other transaction make these customers' figures until this one ends.

    What is read after this is as the last of the others left it.
    """
    blank = {"orders": 0, "order_days": 0, "spend": {}, "products": []}
    session.execute(
        insert_into(session, customer_figures).on_conflict_do_nothing(),
        [{"customer_id": customer_id, **blank} for customer_id in sorted(customers)],
    )
    key = customer_figures.c.customer_id
    session.execute(select(key).where(key.in_(customers)).order_by(key).with_for_update())


def recount(session: Session, customers: Customers) -> dict[str, OrderDays]:
    """Make the figures of the customers, who are locked, anew.

    :returns: the order days of those who have any.
    """
    purchases = _purchases(session, customers)
    products = _products(session, customers, purchases)
    rows = [
        _row(customer_id, purchases.get(customer_id), products.get(customer_id, []))
        for customer_id in sorted(customers)
    ]
    insert = insert_into(session, customer_figures)
    fresh = {c.name: insert.excluded[c.name] for c in customer_figures.c if not c.primary_key}
    session.execute(insert.on_conflict_do_update(index_elements=["customer_id"], set_=fresh), rows)
    return {customer_id: bought.days for customer_id, bought in purchases.items()}


def _row(customer_id: str, bought: _Purchases | None, products: Sequence[Any]) -> dict[str, Any]:
    bought = bought or _Purchases()
    return {
        "customer_id": customer_id,
        "orders": bought.days.total(),
        "order_days": len(bought.days),
        "first_order_on": min(bought.days, default=None),
        "last_order_on": max(bought.days, default=None),
        "currency": bought.currency or None,
        "spend": {name: decimal_text(bought.spend[name]) for name in sorted(bought.spend)},
        "products": products,
    }


def _of_each(
    customers: Customers, of_one_kind: Callable[[ColumnElement[str]], Select[Any]]
) -> CompoundSelect[Any]:
    """What is selected of the orders that count of accounts, and of contacts."""
    parts = []
    for kind in KINDS.values():
        column = orders.c[kind.key]
        if ids := of_kind(kind, customers):
            parts.append(of_one_kind(column).where(column.in_(ids), orders.c.status != "cancelled"))
    return union_all(*parts)


def _purchases(session: Session, customers: Customers) -> dict[str, _Purchases]:
    spent = func.sum(orders.c.total - orders.c.returned_amount, type_=Money)

    def by_day_and_currency(customer: ColumnElement[str]) -> Select[Any]:
        key = (customer, orders.c.placed_on, orders.c.currency)
        return select(*key, func.count(), spent).group_by(*key)

    found: dict[str, _Purchases] = defaultdict(_Purchases)
    rows = session.execute(_of_each(customers, by_day_and_currency))
    for customer_id, day, currency, count, spend in rows:
        bought = found[customer_id]
        bought.days[day] += count
        bought.orders[currency] += count
        bought.spend[currency] += spend
    return dict(found)


@dataclass(slots=True)
class _Product:
    """What a customer has of a product.

    :ivar spend: by currency. :ivar named_on: the latest order day, whose name the product bears.
    """

    name: str | None = None
    named_on: date = date.min
    quantity: Decimal = _NOTHING
    spend: defaultdict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def _products(
    session: Session, customers: Customers, purchases: Mapping[str, _Purchases]
) -> dict[str, list[dict[str, Any]]]:
    """The preferred products of each customer: those of most pieces, then of most spend."""
    owned: dict[str, dict[str, _Product]] = defaultdict(lambda: defaultdict(_Product))
    for sign, statement in (
        (1, _of_each(customers, _bought)),
        (-1, _of_each(customers, _returned)),
    ):
        for customer_id, key, name, currency, named_on, quantity, total in session.execute(
            statement
        ):
            if (identity := key or name) is None:
                continue
            product = owned[customer_id][identity]
            product.quantity += sign * quantity
            product.spend[currency] += sign * total
            if sign > 0 and (named_on, name or "") > (product.named_on, product.name or ""):
                product.name, product.named_on = name, named_on
    return {
        customer_id: _preferred(products, purchases[customer_id].currency)
        for customer_id, products in owned.items()
    }


def _preferred(products: Mapping[str, _Product], currency: str) -> list[dict[str, Any]]:
    ranked = sorted(
        ((identity, product) for identity, product in products.items() if product.quantity > 0),
        key=lambda entry: (-entry[1].quantity, -entry[1].spend[currency], entry[1].name or ""),
    )
    return [
        {
            "product_id": identity if identity != product.name else None,
            "name": product.name,
            "quantity": decimal_text(product.quantity),
        }
        for identity, product in ranked[:MOST_PREFERRED]
    ]


def _bought(customer: ColumnElement[str]) -> Select[Any]:
    return _by_product(customer, order_lines.c.quantity, order_lines.c.total).join(
        order_lines, order_lines.c.order_id == orders.c.id
    )


def _returned(customer: ColumnElement[str]) -> Select[Any]:
    line_of_return = and_(
        order_lines.c.order_id == order_returns.c.order_id,
        order_lines.c.line_id == order_returns.c.line_id,
    )
    return (
        _by_product(customer, order_returns.c.quantity, order_returns.c.amount)
        .join(order_returns, order_returns.c.order_id == orders.c.id)
        .join(order_lines, line_of_return)
    )


def _by_product(
    customer: ColumnElement[str], quantity: ColumnElement[Decimal], total: ColumnElement[Decimal]
) -> Select[Any]:
    key = (customer, order_lines.c.product_id, order_lines.c.product_name, orders.c.currency)
    return (
        select(
            *key,
            func.max(orders.c.placed_on),
            func.sum(quantity, type_=Money),
            func.sum(total, type_=Money),
        )
        .select_from(orders)
        .group_by(*key)
    )
