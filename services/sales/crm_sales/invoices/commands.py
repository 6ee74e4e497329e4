"""What can be done with invoices, by who holds the order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from crm_chassis.database import new_id
from crm_chassis.problems import conflict, invalid
from crm_sales import pricing
from crm_sales.invoices import events
from crm_sales.invoices.models import Invoice, InvoiceNumber
from crm_sales.numbers import number, serials
from crm_sales.orders import timers
from crm_sales.orders.models import Order
from crm_sales.receipts.models import Allocation
from crm_sales.receivables import commands as receivables
from crm_sales.receivables import queries as receivable_queries
from crm_sales.receivables.models import Receivable

WRITE = "sales.invoices.write"


def issue(session: Session, order: Order, values: dict[str, Any], today: date) -> Invoice:
    """Bill an order: the instalments named, or all that was not billed yet.

    An order without instalments is billed whole. When that bill is due after the order would count
    as unpaid, it is what the customer has time until.

    :raises Problem: 409 when nothing is left to bill, 422 for an instalment that is not one to bill
        or a day out of order.
    """
    if order.status == "cancelled":
        raise conflict("The order is cancelled.")
    issued_on = values.get("issued_on", today)
    if issued_on < order.placed_on:
        raise invalid(("issued_on", f"Before the order was placed, on {order.placed_on}."))
    planned = receivable_queries.of_order(session, order.id)
    billed = _to_bill(planned, values.get("receivable_ids"))
    due_on = values.get("due_on") or max([issued_on, *(each.due_on for each in billed)])
    if due_on < issued_on:
        raise invalid(("due_on", f"Before the invoice is issued, on {issued_on}."))
    if not planned:
        billed = [_whole(session, order, due_on)]
    invoice = _new(session, order, planned or billed, billed, issued_on, due_on)
    for receivable in billed:
        receivable.invoice_id = invoice.id
    receivables.changed(session, billed)
    invoice.follow(billed)
    events.invoice_issued(session, invoice)
    return invoice


def _to_bill(planned: Sequence[Receivable], wanted: Sequence[str] | None) -> list[Receivable]:
    free = {each.id: each for each in planned if each.invoice_id is None}
    if wanted is None:
        if planned and not free:
            raise conflict("All of the order is invoiced.")
        return list(free.values())
    errors = [
        (f"receivable_ids.{place}", "No instalment of the order that is to be invoiced.")
        for place, key in enumerate(wanted)
        if key not in free
    ]
    if errors:
        raise invalid(*errors)
    return [each for key, each in free.items() if key in wanted]


def _whole(session: Session, order: Order, due_on: date) -> Receivable:
    """All of an order as one receivable, on which counts what was paid before."""
    if order.due_amount == 0:
        raise conflict("Nothing of the order is to be paid.")
    receivable = receivables.schedule(session, order, 1, due_on, order.due_amount)
    receivable.receive(order.paid_amount)
    session.execute(
        update(Allocation)
        .where(Allocation.order_id == order.id)
        .values(receivable_id=receivable.id)
        .execution_options(synchronize_session=False)
    )
    if order.payment_due_at is not None and receivable.overdue_at > order.payment_due_at:
        order.payment_due_at = None
        timers.unwatch(session, order)
    return receivable


def _new(
    session: Session,
    order: Order,
    planned: Sequence[Receivable],
    billed: Sequence[Receivable],
    issued_on: date,
    due_on: date,
) -> Invoice:
    invoice_id = new_id()
    (serial,) = serials(session, InvoiceNumber, [invoice_id])
    total = sum((each.amount for each in billed), Decimal(0))
    tax = _tax(order, planned, billed)
    invoice = Invoice(
        id=invoice_id,
        number=number("INV", issued_on.year, serial),
        order_id=order.id,
        account_id=order.account_id,
        contact_id=order.contact_id,
        owner_id=order.owner_id,
        team_id=order.team_id,
        currency=order.currency,
        subtotal=total - tax,
        tax=tax,
        total=total,
        issued_on=issued_on,
        due_on=due_on,
        status="issued",
    )
    session.add(invoice)
    return invoice


def _tax(order: Order, planned: Sequence[Receivable], billed: Sequence[Receivable]) -> Decimal:
    """The part of an order's tax in some of its instalments; in all of them it is all of it."""
    tax = so_far = Decimal(0)
    for receivable in planned:
        after = so_far + receivable.amount
        if receivable in billed:
            tax += pricing.share(order.tax, after, order.total, order.currency)
            tax -= pricing.share(order.tax, so_far, order.total, order.currency)
        so_far = after
    return tax


def void(session: Session, invoice: Invoice, reason: str) -> None:
    """Take an invoice back; its instalments can be billed again.

    :raises Problem: 409 when it was before, or something was paid on it.
    """
    billed = receivable_queries.of_invoices(session, [invoice.id])
    invoice.void(billed, reason)
    for receivable in billed:
        receivable.invoice_id = None
    receivables.changed(session, billed)
    events.invoice_voided(session, invoice)


def follow(session: Session, changed: Iterable[Receivable]) -> None:
    """Have the invoices of receivables that were changed be paid, or not paid any more."""
    invoice_ids = {each.invoice_id for each in changed if each.invoice_id}
    if not invoice_ids:
        return
    billed = receivable_queries.of_invoices(session, invoice_ids)
    for invoice in session.scalars(select(Invoice).where(Invoice.id.in_(invoice_ids))):
        if invoice.follow([each for each in billed if each.invoice_id == invoice.id]):
            events.invoice_changed(session, invoice)
