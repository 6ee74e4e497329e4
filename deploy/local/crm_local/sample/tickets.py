"""What customers wrote to the sample company's service desk."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from crm_local.sample.customers import Customer, some
from crm_local.sample.deals import PRODUCTS, Deal
from crm_local.sample.records import Move, Row, external_id, row
from crm_local.sample.roster import in_role
from crm_local.sample.timeline import Timeline

TICKETS = 200
_CLOSED_AFTER_DAYS = 5
_MEAN_DAYS = {"low": 9, "normal": 6, "high": 4, "urgent": 2}
_PRIORITIES = {"low": 20, "normal": 50, "high": 22, "urgent": 8}
_CHANNELS = {"email": 40, "phone": 25, "web": 20, "chat": 15}
_UNDER_WAY = {"new": 2, "open": 5, "pending": 2, "on_hold": 1}
_SOLVED_TODAY = 0.4
_ABOUT_OWN = 0.8
_SUBJECTS = {
    "question": (
        "How do I calibrate the {product}?",
        "{product}: which firmware is current?",
        "{product} 是否支持 Modbus TCP?",
    ),
    "incident": (
        "{product} shows error E-17 after start",
        "{product} loses its connection every night",
        "{product} 读数漂移",
    ),
    "request": (
        "Spare parts for the {product}",
        "Training on the {product} for four people",
        "请提供 {product} 的检定证书",
    ),
    "complaint": (
        "{product} was delivered two weeks late",
        "Third visit for the same fault of the {product}",
        "{product} 发票金额有误",
    ),
}
_INSTRUMENTS = [product.name for product in PRODUCTS if product.series in ("FlowSense", "LabOne")]
_TYPES = {"question": 40, "incident": 28, "request": 20, "complaint": 12}


def make_tickets(
    chance: Random, timeline: Timeline, customers: Sequence[Customer], deals: Sequence[Deal]
) -> tuple[list[Row], dict[str, Sequence[Move]]]:
    """Rows of tickets, and those that are solved today. Who bought writes about that, mostly."""
    rows: list[Row] = []
    moves: dict[str, Sequence[Move]] = {}
    agents = in_role("agent")
    bought = _instruments_of(deals)
    for number in range(1, TICKETS + 1):
        key = external_id("ticket", number)
        customer = chance.choice(customers)
        opened_on = timeline.some_day(chance, max(timeline.first, customer.since))
        instruments = _INSTRUMENTS
        if chance.random() < _ABOUT_OWN:
            instruments = bought.get(customer.external_id, _INSTRUMENTS)
        kind, priority = some(chance, _TYPES), some(chance, _PRIORITIES)
        status, resolved_on, closed_on = _life(chance, timeline, opened_on, priority)
        if status == "open" and chance.random() < _SOLVED_TODAY:
            moves[key] = [Move({"status": status}, "resolve")]
        rows.append(
            row(
                external_id=key,
                subject=chance.choice(_SUBJECTS[kind]).format(product=chance.choice(instruments)),
                type=kind,
                priority=priority,
                channel=some(chance, _CHANNELS),
                status=status,
                account=customer.external_id,
                contact=chance.choice(customer.contacts),
                assignee=external_id("user", chance.choice(agents).key),
                opened_on=opened_on,
                resolved_on=resolved_on,
                closed_on=closed_on,
            )
        )
    return rows, moves


def _instruments_of(deals: Sequence[Deal]) -> dict[str, list[str]]:
    """What customers have bought, by account."""
    bought: dict[str, list[str]] = {}
    for deal in deals:
        if deal.course.won_on and deal.purchase.product.name in _INSTRUMENTS:
            bought.setdefault(deal.account, []).append(deal.purchase.product.name)
    return bought


def _life(
    chance: Random, timeline: Timeline, opened_on: date, priority: str
) -> tuple[str, date | None, date | None]:
    """A ticket's status, and the days on which it was resolved and closed."""
    took = round(chance.expovariate(1 / _MEAN_DAYS[priority]))
    resolved_on = opened_on + timedelta(days=took)
    closed_on = resolved_on + timedelta(days=_CLOSED_AFTER_DAYS)
    if resolved_on > timeline.today:
        return some(chance, _UNDER_WAY), None, None
    if closed_on > timeline.today:
        return "resolved", resolved_on, None
    return "closed", resolved_on, closed_on
