"""What the sample company offered and agreed: quotes, contracts, and who approves these."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from random import Random

from crm_local.sample.customers import Customer
from crm_local.sample.deals import Deal
from crm_local.sample.orders import quoted
from crm_local.sample.records import CURRENCY, Entry, Move, Ref, Row, external_id, money, row
from crm_local.sample.roster import in_role
from crm_local.sample.timeline import Timeline

CONTRACTS = 16
_OPEN_QUOTES = 9
_APPROVAL_FROM = 20_000
_ENDS_SOON_DAYS = 2  # before which the owner is reminded
_SENT = Move({"status": "draft"}, "send")
_REJECTED = Move({"status": "sent"}, "reject", {"reason": "too expensive"})
_ANSWERS: Sequence[Sequence[Move]] = ((), (_SENT,), (_SENT,), (_SENT, _REJECTED))
_SERVICES = (
    ("Calibration service, {firm}", "{firm} 年度检定服务"),
    ("FleetView maintenance, {firm}", "{firm} FleetView 维保"),
    ("Framework agreement, {firm}", "{firm} 框架协议"),
)


def make_quotes(deals: Sequence[Deal]) -> list[Entry]:
    """Quotes of the latest won deals, accepted, and of deals that are still open."""
    accepted = [
        _quote(deal, (_SENT, Move({"status": "sent"}, "accept", {"accepted_on": str(won_on)})))
        for deal in quoted(deals)
        if (won_on := deal.course.won_on)
    ]
    negotiated = [
        deal
        for deal in deals
        if deal.course.closing is None
        and deal.course.stage in ("proposal", "negotiation")
        and deal.has_external_id
    ]
    return accepted + [
        _quote(deal, _ANSWERS[place % len(_ANSWERS)])
        for place, deal in enumerate(negotiated[:_OPEN_QUOTES])
    ]


def _quote(deal: Deal, moves: Sequence[Move]) -> Entry:
    purchase = deal.purchase
    line = {
        "product_id": Ref("products", purchase.product.external_id),
        "quantity": str(purchase.quantity),
        "unit_price": money(purchase.product.price),
        "discount_percent": str(purchase.discount_percent),
    }
    facts = {"opportunity_id": Ref("opportunities", deal.key), "lines": [line]}
    return Entry(facts, moves)


def approval_rules() -> list[Entry]:
    """Larger contracts are approved by a manager."""
    manager = in_role("sales_manager")[0]
    return [
        Entry(
            {
                "amount_from": money(_APPROVAL_FROM),
                "currency": CURRENCY,
                "approver_id": Ref("users", external_id("user", manager.key)),
            }
        )
    ]


def make_contracts(
    chance: Random, timeline: Timeline, customers: Sequence[Customer]
) -> tuple[list[Row], dict[str, Sequence[Move]]]:
    """Rows of contracts, and those that are put before their approver today.

    They are of a year each: some are over, one ends the day after tomorrow, some are to begin, and
    some are drafts.
    """
    rows: list[Row] = []
    moves: dict[str, Sequence[Move]] = {}
    old = sorted(customers, key=lambda customer: customer.since)[:CONTRACTS]
    for number, customer in enumerate(old, 1):
        key = external_id("contract", number)
        status, starts_in = _standing(chance, number)
        starts_on = timeline.today + timedelta(days=starts_in)
        amount = 500 * chance.randrange(8, 90)
        if status == "draft" and amount >= _APPROVAL_FROM:
            moves[key] = [Move({"status": "draft"}, "submit")]
        rows.append(
            row(
                external_id=key,
                title=_title(chance, customer),
                account=customer.external_id,
                owner=external_id("user", customer.owner.key),
                amount=money(amount),
                currency=CURRENCY,
                starts_on=starts_on,
                ends_on=starts_on + timedelta(days=364),
                status=status,
            )
        )
    return rows, moves


def _standing(chance: Random, number: int) -> tuple[str, int]:
    """The status of a contract, and in how many days it begins."""
    if number == 1:
        return "active", _ENDS_SOON_DAYS - 364
    return (
        ("active", -chance.randrange(20, 340)),
        ("active", -chance.randrange(20, 340)),
        ("draft", chance.randrange(5, 40)),
        ("approved", chance.randrange(5, 40)),
        ("active", -chance.randrange(366, 700)),
    )[number % 5]


def _title(chance: Random, customer: Customer) -> str:
    western, chinese = chance.choice(_SERVICES)
    pattern = chinese if customer.firm.market.is_chinese else western
    return pattern.format(firm=customer.firm.name)
