"""What can be done with an order's receivables, by who holds the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.database import new_id
from crm_chassis.problems import conflict, invalid
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales import pricing
from crm_sales.orders.models import Order
from crm_sales.receivables import events, queries
from crm_sales.receivables.models import Receivable
from crm_sales.receivables.timers import OVERDUE


def plan(session: Session, order: Order, instalments: Sequence[dict[str, Any]]) -> list[Receivable]:
    """Have an order paid in instalments, in place of the plan before.

    :param instalments: ``due_on`` and ``amount`` of each.
    :raises Problem: 409 when something was paid or invoiced, or nothing is to be paid; 422 when
        they do not add up to what is open.
    """
    before = queries.of_order(session, order.id)
    if order.paid_amount > 0 or any(each.invoice_id for each in before):
        raise conflict("Something of the order was paid or invoiced already.")
    if order.open_amount == 0:
        raise conflict("Nothing of the order is to be paid.")
    _check(order, instalments)
    withdraw(session, before)
    order.payment_due_at = None
    return [
        schedule(session, order, place, each["due_on"], each["amount"])
        for place, each in enumerate(instalments, 1)
    ]


def _check(order: Order, instalments: Sequence[dict[str, Any]]) -> None:
    for place, each in enumerate(instalments):
        pricing.check_amount(each["amount"], order.currency, f"instalments.{place}.amount")
        if not each["amount"] > 0:
            raise invalid((f"instalments.{place}.amount", "Must be above zero."))
        if each["due_on"] < order.placed_on:
            why = f"Before the order was placed, on {order.placed_on}."
            raise invalid((f"instalments.{place}.due_on", why))
    planned = sum(each["amount"] for each in instalments)
    if planned != order.open_amount:
        raise invalid(("instalments", f"They come to {planned}, not to {order.open_amount}."))


def schedule(
    session: Session, order: Order, position: int, due_on: date, amount: Decimal
) -> Receivable:
    """Have part of an order be paid by a day."""
    receivable = Receivable(
        id=new_id(),
        order_id=order.id,
        account_id=order.account_id,
        contact_id=order.contact_id,
        owner_id=order.owner_id,
        team_id=order.team_id,
        position=position,
        due_on=due_on,
        overdue_at=calendar.end_of(session, due_on),
        amount=amount,
        paid_amount=Decimal(0),
        currency=order.currency,
        status="pending",
    )
    session.add(receivable)
    set_timers(session, OVERDUE, {receivable.id: receivable.overdue_at})
    events.receivable_scheduled(session, receivable)
    return receivable


def withdraw(session: Session, receivables: Iterable[Receivable]) -> None:
    """Have receivables be void, those on which nothing was paid."""
    withdrawn = list(receivables)
    for receivable in withdrawn:
        receivable.void()
        events.receivable_changed(session, receivable)
    cancel_timers(session, OVERDUE, [receivable.id for receivable in withdrawn])


def changed(session: Session, receivables: Iterable[Receivable]) -> None:
    """Tell of receivables that were changed, and wait for those that are open."""
    told = list(receivables)
    for receivable in told:
        events.receivable_changed(session, receivable)
    waiting = {r.id: r.overdue_at for r in told if r.status in ("pending", "partial")}
    set_timers(session, OVERDUE, waiting)
    if quiet := [r.id for r in told if r.id not in waiting]:
        cancel_timers(session, OVERDUE, quiet)
