"""The time an order has to be paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales.due import lock_due
from crm_sales.orders import events
from crm_sales.orders.models import Order

UNPAID = "sales.order_unpaid"


def watch(session: Session, orders: Sequence[Order]) -> None:
    """Have orders that wait for their payment counted as unpaid in time."""
    due = {
        order.id: order.payment_due_at
        for order in orders
        if order.payment_due_at is not None and order.open_amount > 0 and not order.payment_overdue
    }
    set_timers(session, UNPAID, due)


def rewatch(session: Session, orders: Sequence[Order]) -> None:
    """Wait for orders that owe now, and stop to wait for those that do not."""
    quiet = [order for order in orders if order.open_amount == 0]
    if quiet:
        cancel_timers(session, UNPAID, [order.id for order in quiet])
    for order in quiet:
        _no_more_overdue(session, order)
    watch(session, orders)


def unwatch(session: Session, order: Order) -> None:
    """Have an order wait no longer for its payment."""
    cancel_timers(session, UNPAID, [order.id])


def on_unpaid(session: Session, subjects: Sequence[str], now: datetime) -> None:
    """Tell of the orders that were not paid in time."""
    for order in lock_due(session, UNPAID, Order, subjects, now):
        if order.open_amount > 0 and not order.on_terms and not order.payment_overdue:
            order.payment_overdue = True
            events.order_told(session, order, "payment_overdue")


def settled(session: Session, order: Order) -> None:
    """Nothing is to be paid any more: stop waiting, and tell so if it was overdue."""
    unwatch(session, order)
    _no_more_overdue(session, order)


def _no_more_overdue(session: Session, order: Order) -> None:
    if order.payment_overdue:
        order.payment_overdue = False
        events.order_told(session, order, "payment_settled")


TIMERS = {UNPAID: on_unpaid}
