"""What is asked about orders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session, selectinload

from crm_chassis.auth import visible
from crm_chassis.problems import invalid, not_found
from crm_chassis.web import check_version
from crm_sales.orders.models import Order, OrderReturn, OrderSettings


def settings(session: Session) -> OrderSettings:
    """The rules for orders."""
    return session.scalars(select(OrderSettings)).one()


def locked(session: Session, order_id: object, permission: str) -> Order:
    """An order that nobody else changes until the transaction ends.

    All that is changed of an order's money, its receivables and payments, is changed by who holds
    its order: two payments at once follow one another.

    :raises Problem: 404, whether it is not there or not visible.
    """
    found = _lock_visible(session, str(order_id), permission)
    if not found:
        raise not_found("order")
    return found[0]


def locked_to_change(session: Session, order_id: object, permission: str) -> Order:
    """Like :func:`locked`, for a client that has seen the version it changes.

    :raises Problem: 404 or 412.
    """
    order = locked(session, order_id, permission)
    check_version(order)
    return order


def locked_named(session: Session, order_id: str, permission: str, field: str) -> Order:
    """Like :func:`locked`, for an order that a field of a request names.

    :raises Problem: 422 naming the field.
    """
    found = _lock_visible(session, order_id, permission)
    if not found:
        raise invalid((field, "No such order."))
    return found[0]


def locked_all(session: Session, order_ids: Sequence[str]) -> dict[str, Order]:
    """Orders by their keys, locked one after the other in the order that everybody keeps to."""
    return {
        order.id: order for order in _lock(session, select(Order).where(Order.id.in_(order_ids)))
    }


def _lock_visible(session: Session, order_id: str, permission: str) -> Sequence[Order]:
    return _lock(session, visible(select(Order).where(Order.id == order_id), Order, permission))


def _lock(session: Session, statement: Select[tuple[Order]]) -> Sequence[Order]:
    return session.scalars(
        statement.order_by(Order.id).with_for_update().execution_options(populate_existing=True)
    ).all()


def returns(session: Session, order_id: str) -> Sequence[OrderReturn]:
    """What came back of an order, oldest first."""
    statement: Select[Any] = (
        select(OrderReturn)
        .where(OrderReturn.order_id == order_id)
        .options(selectinload(OrderReturn.lines))
        .order_by(OrderReturn.id)
    )
    return session.scalars(statement).all()
