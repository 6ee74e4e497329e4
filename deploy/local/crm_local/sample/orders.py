"""What was ordered after a deal was won, how it was paid, and what came back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from random import Random

from crm_local.sample.customers import some
from crm_local.sample.deals import Deal
from crm_local.sample.records import CURRENCY, Entry, Move, Ref, Row, external_id, money, row
from crm_local.sample.timeline import Timeline

QUOTED = 3
"""How many of the latest won deals were quoted: the order comes with the acceptance."""

_NEVER_PAID, _CALLED_OFF, _COMES_BACK = 29, 37, 12  # one in so many
_ON_TERMS = 3  # one in so many of those not paid yet
_IN_TWO_PARTS = 0.15
_FIRST_PART_PERCENT = 40
_SLOWEST_PAYER_DAYS, _USUAL_DAYS = 45, 16
_DELIVERY_DAYS = (2, 16)
_RETURN_DAYS = (4, 25)
_COMPLETE_AFTER_DAYS = 30
_TERM_DAYS = 30
_BILLED_DAYS = 60
_INSTALMENTS = 3
_METHODS = {"bank transfer": 70, "card": 18, "direct debit": 12}
_REASONS = {"wrong model ordered": 3, "fault on delivery": 4, "project cancelled": 2}


def make_orders(
    chance: Random, timeline: Timeline, deals: Sequence[Deal]
) -> tuple[list[Row], list[Row], dict[str, Sequence[Move]], list[Entry]]:
    """Rows of orders and of receipts, what happens to the orders, and the invoices of some."""
    orders: list[Row] = []
    receipts: list[Row] = []
    moves: dict[str, Sequence[Move]] = {}
    invoices: list[Entry] = []
    for number, (deal, won_on) in enumerate(_ordered(deals), 1):
        key = external_id("order", number)
        placed_on = min(timeline.today, won_on + timedelta(days=chance.randrange(3)))
        called_off = number % _CALLED_OFF == 0
        unpaid = called_off or number % _NEVER_PAID == 0
        payments = [] if unpaid else _payments(chance, timeline, deal, placed_on)
        orders.append(_order(key, deal, placed_on))
        receipts += [_receipt(chance, key, place, *each) for place, each in enumerate(payments, 1)]
        paid = sum(amount for _, amount in payments) == deal.purchase.amount
        if called_off:
            moves[key] = [_calling_off(placed_on)]
        elif paid:
            comes_back = number % _COMES_BACK == 0
            moves[key] = list(_delivery(chance, timeline, payments[-1][0], comes_back))
        elif not payments and number % _ON_TERMS == 0:
            moves[key] = _instalments(placed_on)
            continue
        if not called_off and timeline.age(placed_on) < _BILLED_DAYS:
            invoices.append(_invoice(key, placed_on))
    return orders, receipts, moves, invoices


def quoted(deals: Sequence[Deal]) -> list[Deal]:
    """The latest of those won deals that go by an external id."""
    won = [
        (on, deal.key, deal)
        for deal in deals
        if deal.has_external_id and (on := deal.course.won_on)
    ]
    return [deal for _, _, deal in sorted(won)[-QUOTED:]]


def _ordered(deals: Sequence[Deal]) -> Iterator[tuple[Deal, date]]:
    """Won deals whose order no quote brings, and when they were won."""
    by_quote = {deal.key for deal in quoted(deals)}
    for deal in deals:
        if deal.course.won_on and deal.key not in by_quote:
            yield deal, deal.course.won_on


def _order(key: str, deal: Deal, placed_on: date) -> Row:
    return row(
        external_id=key,
        account=deal.account,
        opportunity=deal.key,
        campaign=deal.campaign,
        owner=external_id("user", deal.owner.key),
        product=deal.purchase.product.external_id,
        quantity=deal.purchase.quantity,
        amount=money(deal.purchase.amount),
        currency=CURRENCY,
        placed_on=placed_on,
    )


def _payments(
    chance: Random, timeline: Timeline, deal: Deal, placed_on: date
) -> list[tuple[date, int]]:
    """When what came in up to today."""
    amounts = [deal.purchase.amount]
    if chance.random() < _IN_TWO_PARTS:
        first = deal.purchase.amount * _FIRST_PART_PERCENT // 100
        amounts = [first, deal.purchase.amount - first]
    days = round(chance.triangular(0, _SLOWEST_PAYER_DAYS, _USUAL_DAYS))
    due = [placed_on + timedelta(days=days * part) for part in range(1, len(amounts) + 1)]
    paid_on = [max(placed_on, timeline.workday(day)) for day in due]
    came_in = zip(paid_on, amounts, strict=True)
    return [(on, amount) for on, amount in came_in if on <= timeline.today]


def _receipt(chance: Random, order: str, place: int, on: date, amount: int) -> Row:
    return row(
        external_id=f"{order.replace('order', 'receipt')}-{place}",
        order=order,
        amount=money(amount),
        currency=CURRENCY,
        received_on=on,
        method=some(chance, _METHODS),
        reference=f"{on:%y%m%d}-{chance.randrange(10**6):06d}",
    )


def _delivery(
    chance: Random, timeline: Timeline, paid_on: date, comes_back: bool
) -> Iterator[Move]:
    """How an order that is paid goes on, up to today."""
    fulfilled_on = paid_on + timedelta(days=chance.randrange(*_DELIVERY_DAYS))
    if fulfilled_on > timeline.today:
        return
    yield Move({"status": "paid"}, "fulfil", {"fulfilled_on": str(fulfilled_on)})
    completed_on = fulfilled_on + timedelta(days=_COMPLETE_AFTER_DAYS)
    if completed_on > timeline.today:
        return
    yield Move({"status": "fulfilled"}, "complete", {"completed_on": str(completed_on)})
    if comes_back:
        on = fulfilled_on + timedelta(days=chance.randrange(*_RETURN_DAYS))
        facts = {"returned_on": str(on), "reason": some(chance, _REASONS)}
        yield Move({"status": "completed", "return_status": "none"}, "returns", facts)


def _calling_off(placed_on: date) -> Move:
    facts = {"cancelled_on": str(placed_on), "reason": "ordered twice"}
    return Move({"status": "placed"}, "cancel", facts)


def _instalments(placed_on: date) -> list[Move]:
    """Delivered before it is paid, month by month."""
    plan = {"parts": _INSTALMENTS, "first_due_on": str(placed_on + timedelta(days=_TERM_DAYS))}
    delivery = {"fulfilled_on": str(placed_on)}
    return [
        Move({"status": "placed"}, "payment-plan", plan),
        Move({"status": "placed"}, "fulfil", delivery),
    ]


def _invoice(order: str, placed_on: date) -> Entry:
    return Entry(
        {
            "order_id": Ref("orders", order),
            "issued_on": str(placed_on),
            "due_on": str(placed_on + timedelta(days=_TERM_DAYS)),
        }
    )
