"""What can be done with receipts. Orders are locked before receipts, by everybody."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id
from crm_chassis.problems import conflict, invalid
from crm_chassis.web import stale
from crm_sales import pricing
from crm_sales.invoices import commands as invoices
from crm_sales.invoices.models import Invoice
from crm_sales.orders import events as order_events
from crm_sales.orders import timers
from crm_sales.orders.models import Order
from crm_sales.receipts import events, queries
from crm_sales.receipts.models import Allocation, Receipt
from crm_sales.receivables import commands as receivables
from crm_sales.receivables import queries as receivable_queries
from crm_sales.receivables.models import Receivable

WRITE = "sales.receipts.write"

_SAID_TWICE = ("order_id", "invoice_id", "account_id", "contact_id", "amount", "currency")


@dataclass(frozen=True, slots=True)
class Books:
    """Payments as they are counted for orders, to be told of together.

    :ivar due: the receivables of each order.
    :ivar counted: those that payments were counted for, by key.
    :ivar settled: the orders that were paid in full.
    """

    due: dict[str, list[Receivable]]
    counted: dict[str, Receivable] = field(default_factory=dict)
    settled: list[Order] = field(default_factory=list)


def open_books(session: Session, orders: Iterable[Order]) -> Books:
    """The books of some orders, locked."""
    order_ids = [order.id for order in orders]
    return Books(receivable_queries.of_orders(session, order_ids) if order_ids else {})


def close_books(session: Session, books: Books) -> None:
    """Tell of what was counted."""
    if books.counted:
        receivables.changed(session, books.counted.values())
        invoices.follow(session, books.counted.values())
    timers.rewatch(session, books.settled)


def record(
    session: Session,
    principal: Principal,
    values: dict[str, Any],
    order: Order | None,
    today: date,
) -> tuple[Receipt, bool]:
    """Take in a payment, once.

    :returns: the receipt, and False when it was taken in before by its ``external_id``.
    :raises Problem: as :func:`take_in`, 409 for another receipt with this ``external_id``, and
        412 when the order is not as the ``order_version`` says.
    """
    seen = values.pop("order_version", None)
    if external_id := values.get("external_id"):
        earlier = queries.by_external_id(session, external_id)
        if earlier is not None:
            _require_same(earlier, values)
            return earlier, False
    if order is not None and seen not in (None, order.version):
        raise stale()
    books = open_books(session, [order] if order else [])
    receipt = take_in(session, principal, {"received_on": today} | values, order, books)
    close_books(session, books)
    return receipt, True


def take_in(
    session: Session,
    principal: Principal,
    values: dict[str, Any],
    order: Order | None,
    books: Books,
) -> Receipt:
    """Take in a payment. It counts for the order up to what is open; the rest is credit.

    :param order: the order it is for, locked; None for a payment on account.
    :param books: of that order at least; closed by the caller.
    :raises Problem: 409 for an order that was cancelled; 422 for an amount or a currency that the
        order cannot be paid in, or a receipt of nobody.
    """
    _check(values, order)
    receipt = _new(session, principal, values, order)
    if order is not None:
        _allocate(session, receipt, order, receipt.amount, books)
    events.receipt_recorded(session, receipt)
    return receipt


def _require_same(earlier: Receipt, values: dict[str, Any]) -> None:
    if any(values[name] != getattr(earlier, name) for name in _SAID_TWICE if name in values):
        raise conflict("Another receipt has this external_id.")


def _check(values: dict[str, Any], order: Order | None) -> None:
    if not values["amount"] > 0:
        raise invalid(("amount", "Must be above zero."))
    pricing.check_amount(values["amount"], values["currency"], "amount")
    if order is None:
        if not (values.get("account_id") or values.get("contact_id")):
            raise invalid(
                ("account_id", "A receipt is of an account or a contact, or of an order.")
            )
        return
    if order.status == "cancelled":
        raise conflict("The order is cancelled.")
    _require_currency(order, values["currency"])


def _require_currency(order: Order, currency: str) -> None:
    if order.currency != currency:
        raise invalid(("currency", f"The order is in {order.currency}."))


def _new(
    session: Session, principal: Principal, values: dict[str, Any], order: Order | None
) -> Receipt:
    receipt = Receipt(id=new_id(), unallocated_amount=values["amount"], status="recorded", **values)
    if order is None:
        receipt.owner_id, receipt.team_id = default_owner(principal), principal.team_id
    else:
        receipt.order_id = order.id
        receipt.account_id, receipt.contact_id = order.account_id, order.contact_id
        receipt.owner_id, receipt.team_id = order.owner_id, order.team_id
    session.add(receipt)
    return receipt


def allocate(session: Session, receipt: Receipt, order: Order, amount: Decimal | None) -> None:
    """Have credit count for an order: as much as is open of it unless said otherwise.

    :param order: locked before the receipt.
    :raises Problem: 409 when there is no credit or nothing is open; 422 for more than either, or
        an order in another currency or of another customer.
    """
    receipt.require_recorded()
    _require_currency(order, receipt.currency)
    if (order.account_id, order.contact_id) != (receipt.account_id, receipt.contact_id):
        raise invalid(("order_id", "The order is of another customer."))
    most = min(receipt.unallocated_amount, order.open_amount)
    if most <= 0:
        raise conflict("The receipt has no credit, or nothing of the order is open.")
    if amount is not None and not 0 < amount <= most:
        raise invalid(("amount", f"Must be above zero, and {most} or less."))
    pricing.check_amount(amount or most, receipt.currency, "amount")
    books = open_books(session, [order])
    _allocate(session, receipt, order, amount or most, books)
    close_books(session, books)
    events.receipt_changed(session, receipt)


def _allocate(
    session: Session, receipt: Receipt, order: Order, amount: Decimal, books: Books
) -> None:
    """Have up to an amount of the receipt count for the order and its receivables."""
    amount = left = min(amount, order.open_amount)
    if amount == 0:
        return
    for receivable in _in_turn(books.due.get(order.id, ()), receipt.invoice_id):
        part = min(left, receivable.open_amount)
        if part > 0:
            receivable.receive(part)
            receipt.allocate(order.id, receivable.id, part)
            books.counted[receivable.id] = receivable
            left -= part
    if left > 0:  # an order without receivables
        receipt.allocate(order.id, None, left)
    if order.receive(amount, receipt.received_on):
        books.settled.append(order)
    order_events.order_payment(session, order, receipt.id, amount)


def _in_turn(due: Sequence[Receivable], invoice_id: str | None) -> list[Receivable]:
    """Receivables as they are paid: those of the invoice first, then by day."""
    return sorted(due, key=lambda each: invoice_id is None or each.invoice_id != invoice_id)


def reverse(
    session: Session, receipt: Receipt, orders: dict[str, Order], on: date, reason: str
) -> None:
    """Take a payment back that did not come in after all: what it paid is open again.

    :param orders: those it counts for, locked before the receipt.
    :raises Problem: 409 when it was reversed before; 422 for a day before it came in.
    """
    receipt.require_recorded()
    if on < receipt.received_on:
        raise invalid(("reversed_on", f"Before it came in, on {receipt.received_on}."))
    reopened = _taken_from(session, [(each, each.amount) for each in receipt.allocations])
    for order_id, order in orders.items():
        counted = [each.amount for each in receipt.allocations if each.order_id == order_id]
        amount = sum(counted, Decimal(0))
        order.give_back(amount)
        order_events.order_payment(session, order, receipt.id, -amount)
        timers.watch(session, [order])
    receipt.reverse(on, reason)
    events.receipt_reversed(session, receipt)
    receivables.changed(session, reopened)
    invoices.follow(session, reopened)


def release(session: Session, order: Order, amount: Decimal) -> list[Receivable]:
    """Have an amount that was paid for an order count for it no more: the newest payments first.

    It becomes credit of the receipts. What was paid without one, in another system, just ends.

    :param order: locked.
    :returns: the receivables that it counted for, for the caller to tell of.
    """
    parts: list[tuple[Allocation, Decimal]] = []
    left = amount
    for allocation in queries.allocations(session, order.id) if amount > 0 else ():
        part = min(left, allocation.amount)
        if part > 0:
            parts.append((allocation, part))
            left -= part
    order.give_back(amount)
    reopened = _taken_from(session, parts) + _taken_from_last(session, order, left)
    receipts = queries.locked(session, (allocation.receipt_id for allocation, _ in parts))
    for allocation, part in parts:
        receipts[allocation.receipt_id].release(allocation, part)
    for receipt in receipts.values():
        events.receipt_changed(session, receipt)
    return reopened


def _taken_from(session: Session, parts: list[tuple[Allocation, Decimal]]) -> list[Receivable]:
    """The receivables that parts of allocations counted for, which they do no more."""
    keys = {allocation.receivable_id for allocation, _ in parts if allocation.receivable_id}
    found = receivable_queries.by_id(session, keys) if keys else {}
    for allocation, part in parts:
        if allocation.receivable_id:
            found[allocation.receivable_id].give_back(part)
    return list(found.values())


def _taken_from_last(session: Session, order: Order, left: Decimal) -> list[Receivable]:
    """The receivables of an order, the last first, less what was paid on them without a receipt."""
    reopened = []
    for receivable in reversed(receivable_queries.of_order(session, order.id) if left else ()):
        part = min(left, receivable.paid_amount)
        if part > 0:
            receivable.give_back(part)
            reopened.append(receivable)
            left -= part
    return reopened


def order_of(session: Session, values: dict[str, Any]) -> tuple[str | None, str]:
    """The order that a payment is for, by itself or by its invoice, and which field says so.

    :raises Problem: 422 for an invoice that is not there, or is one of another order; 409 for one
        that is void.
    """
    order_id, invoice_id = values.get("order_id"), values.get("invoice_id")
    if invoice_id is None:
        return order_id, "order_id"
    invoice = session.get(Invoice, invoice_id)
    if invoice is None or order_id not in (None, invoice.order_id):
        raise invalid(("invoice_id", "No such invoice, or one of another order."))
    if invoice.status == "void":
        raise conflict("The invoice is void.")
    return invoice.order_id, "invoice_id"
