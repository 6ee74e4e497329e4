"""What can be done with orders."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_chassis.web import business_day
from crm_sales import document_lines
from crm_sales.days import moment_on, months_after
from crm_sales.discounts.queries import check_discounts
from crm_sales.invoices import commands as invoices
from crm_sales.invoices import events as invoice_events
from crm_sales.invoices.models import Invoice
from crm_sales.numbers import number, serials
from crm_sales.opportunities.queries import named
from crm_sales.orders import events, queries, timers
from crm_sales.orders.models import (
    Order,
    OrderLine,
    OrderNumber,
    OrderReturn,
    OrderReturnLine,
    OrderSettings,
)
from crm_sales.pricing import Line, price, split
from crm_sales.receipts import commands as receipts
from crm_sales.receipts import events as receipt_events
from crm_sales.receipts.models import Receipt
from crm_sales.receivables import commands as receivables
from crm_sales.receivables import events as receivable_events
from crm_sales.receivables import queries as receivable_queries
from crm_sales.receivables.models import Receivable
from crm_sales.references import require_known

WRITE = "sales.orders.write"

_FROM_OPPORTUNITY = ("account_id", "contact_id", "campaign_id")


def place(session: Session, principal: Principal, values: dict[str, Any]) -> Order:
    """Place an order, by default today.

    What it does not say of its customer and campaign, its opportunity says. A line without a price
    has its product's list price. An order over nothing is paid at once.

    :param values: ``currency``; ``lines`` with ``product_id`` or ``product_name``, ``quantity``,
        ``unit_price``, ``discount_percent`` and ``tax_rate``; ``account_id`` or ``contact_id``;
        and, where there are, ``external_id``, ``opportunity_id``, ``quote_id``, ``contract_id``,
        ``campaign_id``, ``owner_id``, ``placed_on`` and ``payment_plan``, with ``instalments`` or
        ``parts`` and ``first_due_on``.
    :raises Problem: 422 naming what is wrong; 403 for an owner out of reach.
    """
    values = _completed(session, {"placed_on": business_day()} | values)
    order = Order(
        id=new_id(),
        placed_at=moment_on(session, values["placed_on"]),
        payment_overdue=False,
        status="placed",
        return_status="none",
        paid_amount=Decimal(0),
        returned_amount=Decimal(0),
        **{name: values.get(name) for name in _PLACED},
    )
    lines, offered = document_lines.completed(session, values["lines"], order.currency)
    _add_lines(order, lines)
    if order.quote_id is None:  # what was quoted was granted then
        check_discounts(session, principal, offered)
    assign(session, order, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(order)
    give_numbers(session, [order])
    await_payment([order], queries.settings(session))
    events.order_told(session, order, "placed")
    if order.settle(order.placed_on):
        events.order_told(session, order, "paid")
    if plan := values.get("payment_plan"):
        order.payment_due_at = None
        session.flush()  # the instalments refer to it
        receivables.plan(session, order, _instalments(order, plan))
    timers.watch(session, [order])
    return order


_PLACED = (
    "external_id",
    "account_id",
    "contact_id",
    "opportunity_id",
    "quote_id",
    "contract_id",
    "campaign_id",
    "currency",
    "placed_on",
)


def _completed(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """The values with what the opportunity knows of the customer; a quote knows that itself.

    :raises Problem: 422 for what is not there, or an order of nobody.
    """
    if "quote_id" not in values:
        require_known(session, values)
        if opportunity_id := values.get("opportunity_id"):
            opportunity = named(session, opportunity_id)
            for name in _FROM_OPPORTUNITY:
                values[name] = values.get(name) or getattr(opportunity, name)
    if not (values.get("account_id") or values.get("contact_id")):
        raise invalid(("account_id", "An order is of an account or a contact."))
    return values


def _add_lines(order: Order, lines: Sequence[dict[str, Any]]) -> None:
    totals = price([_priced(line) for line in lines], order.currency)
    for position, (line, cost) in enumerate(zip(lines, totals.lines, strict=True), 1):
        order.lines.append(
            OrderLine(
                id=new_id(),
                position=position,
                subtotal=cost.subtotal,
                discount=cost.discount,
                tax=cost.tax,
                total=cost.total,
                returned_quantity=Decimal(0),
                returned_amount=Decimal(0),
                **line,
            )
        )
    order.subtotal, order.discount = totals.subtotal, totals.discount
    order.tax, order.total = totals.tax, totals.total


def _priced(line: dict[str, Any]) -> Line:
    return Line(line["quantity"], line["unit_price"], line["discount_percent"], line["tax_rate"])


def give_numbers(session: Session, orders: Sequence[Order]) -> None:
    """Number new orders, with one statement for all of them."""
    found = serials(session, OrderNumber, [order.id for order in orders])
    for order, serial in zip(orders, found, strict=True):
        order.number = number("SO", order.placed_on.year, serial)


def await_payment(orders: Sequence[Order], settings: OrderSettings) -> None:
    """Give new orders the time that there is to pay them."""
    for order in orders:
        order.payment_due_at = order.placed_at + timedelta(hours=settings.unpaid_after_hours)


def change(session: Session, order: Order, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner gets what belongs to the order as well.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 for what is not there; 403 for an owner out of reach.
    """
    require_known(session, changes)
    if "owner_id" in changes and changes["owner_id"] != order.owner_id:
        assign(session, order, changes["owner_id"], WRITE)
        change_fields(order, changes)
        _hand_over(session, order)
    elif not change_fields(order, changes):
        return False
    events.order_told(session, order, "changed")
    return True


def _hand_over(session: Session, order: Order) -> None:
    owner = {"owner_id": order.owner_id, "team_id": order.team_id}
    for model, tell in (
        (Receivable, receivable_events.receivable_changed),
        (Invoice, invoice_events.invoice_changed),
        (Receipt, receipt_events.receipt_changed),
    ):
        for entity in session.scalars(select(model).where(model.order_id == order.id)):
            change_fields(entity, owner)
            tell(session, entity)


def plan_payments(session: Session, order: Order, plan: dict[str, Any]) -> None:
    """Have an order paid in instalments rather than at once; see ``receivables.plan``."""
    receivables.plan(session, order, _instalments(order, plan))
    timers.unwatch(session, order)
    events.order_told(session, order, "changed")


def _instalments(order: Order, plan: dict[str, Any]) -> Sequence[dict[str, Any]]:
    if "instalments" in plan:
        return list(plan["instalments"])
    amounts = split(order.open_amount, plan["parts"], order.currency)
    return [
        {"due_on": months_after(plan["first_due_on"], month), "amount": amount}
        for month, amount in enumerate(amounts)
    ]


def fulfil(session: Session, order: Order, on: date) -> None:
    """Deliver an order."""
    order.fulfil(on)
    events.order_told(session, order, "fulfilled")


def complete(session: Session, order: Order, on: date) -> None:
    """Be done with an order."""
    order.complete(on)
    events.order_told(session, order, "completed")


def cancel(session: Session, order: Order, on: date, reason: str) -> None:
    """Call an order off. What was paid for it becomes credit; its bills are void."""
    overdue = order.payment_overdue
    order.cancel(on, reason)
    released = receipts.release(session, order, order.paid_amount)
    told = {each.id: each for each in released}
    told |= {each.id: each for each in receivable_queries.of_order(session, order.id)}
    receivables.withdraw(session, told.values())
    _void_invoices(session, order)
    events.order_told(session, order, "cancelled")
    timers.unwatch(session, order)
    if overdue:
        events.order_told(session, order, "payment_settled")


def _void_invoices(session: Session, order: Order) -> None:
    standing = select(Invoice).where(Invoice.order_id == order.id, Invoice.status != "void")
    for invoice in session.scalars(standing):
        invoice.void([], f"Order {order.number} was cancelled.")
        invoice_events.invoice_voided(session, invoice)


def take_back(
    session: Session,
    order: Order,
    quantities: dict[str, Decimal] | None,
    on: date,
    reason: str | None,
) -> OrderReturn:
    """Take goods of an order back, all that are left unless told otherwise.

    The customer owes that much less; what was paid beyond it becomes credit.
    """
    if quantities is None:
        quantities = {line.id: line.left for line in order.lines if line.left > 0}
        if not quantities:
            raise invalid(("lines", "Nothing is left to come back."))
    parts = order.take_back(quantities, on)
    returned = OrderReturn(
        id=new_id(),
        order_id=order.id,
        returned_on=on,
        reason=reason,
        amount=sum((part.amount for part in parts), Decimal(0)),
        recorded_at=utc_now(),
        lines=[
            OrderReturnLine(
                id=new_id(),
                line_id=part.line.id,
                product_id=part.line.product_id,
                quantity=part.quantity,
                amount=part.amount,
            )
            for part in parts
        ],
    )
    session.add(returned)
    _owe_less(session, order, returned.amount)
    events.order_returned(session, order, returned)
    if order.settle(on):
        events.order_told(session, order, "paid")
    if order.open_amount == 0:
        timers.settled(session, order)
    return returned


def _owe_less(session: Session, order: Order, amount: Decimal) -> None:
    """Lower what an order's receivables are to bring in, the last first, by what came back."""
    lowered: list[Receivable] = []
    for receivable in reversed(receivable_queries.of_order(session, order.id)):
        part = min(amount, receivable.open_amount)
        if part > 0:
            receivable.lower(part)
            lowered.append(receivable)
            amount -= part
    if order.open_amount < 0:
        for receivable in receipts.release(session, order, -order.open_amount):
            receivable.lower(receivable.open_amount)
            lowered.append(receivable)
    told = list({receivable.id: receivable for receivable in lowered}.values())
    receivables.changed(session, told)
    invoices.follow(session, told)
