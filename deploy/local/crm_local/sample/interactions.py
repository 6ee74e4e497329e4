"""What passed between the sample company and its customers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from crm_local.sample.customers import Customer, some
from crm_local.sample.deals import PRODUCTS
from crm_local.sample.records import Row, external_id, row
from crm_local.sample.timeline import Timeline

INTERACTIONS = 320
_KINDS = {"email": 38, "call": 30, "chat": 12, "meeting": 12, "visit": 8}
_FROM_CUSTOMER = {"email": 0.4, "call": 0.35, "chat": 0.8, "meeting": 0.0, "visit": 0.0}
_OPENED, _ANSWERED = 0.65, 0.35
_NOT_TAKEN = 0.15
_OUTCOMES = {"interested": 4, "wants an offer": 3, "no need now": 2, "": 5}


@dataclass(frozen=True, slots=True)
class _Words:
    """What is said: the topics, and what is written down of it."""

    topics: Sequence[str]
    text: str
    place: str


_ENGLISH = _Words(
    ("Offer for the {product}", "Calibration of the {product}", "{product} in the new line"),
    "Talked about the {product}: delivery, training and service.",
    "Their plant in {city}",
)
_CHINESE = _Words(
    ("{product} 报价", "{product} 检定安排", "新产线使用 {product}"),
    "沟通了 {product} 的交期、培训和售后。",
    "{city}工厂",
)


def make_interactions(
    chance: Random, timeline: Timeline, customers: Sequence[Customer]
) -> list[Row]:
    """Rows of e-mails, calls, chats, meetings and visits, up to yesterday."""
    yesterday = timeline.today - timedelta(days=1)
    known = [customer for customer in customers if customer.since < yesterday]
    return [
        _interaction(chance, timeline, number, chance.choice(known))
        for number in range(1, INTERACTIONS + 1)
    ]


def _interaction(chance: Random, timeline: Timeline, number: int, customer: Customer) -> Row:
    first = max(timeline.first, customer.since)
    day = min(timeline.some_day(chance, first), timeline.today - timedelta(days=1))
    kind = some(chance, _KINDS)
    words = _CHINESE if customer.firm.market.is_chinese else _ENGLISH
    names = {"product": chance.choice(PRODUCTS).name, "city": customer.firm.city}
    own = _OF_KIND[kind](chance, day)
    if kind in ("email", "meeting"):
        own["subject"] = chance.choice(words.topics).format(**names)
    if kind == "visit":
        own["place"] = words.place.format(**names)
    return row(
        external_id=external_id("interaction", number),
        kind=kind,
        direction="in" if chance.random() < _FROM_CUSTOMER[kind] else "out",
        account=customer.external_id,
        contact=chance.choice(customer.contacts),
        owner=external_id("user", customer.owner.key),
        text=words.text.format(**names),
        outcome=some(chance, _OUTCOMES),
        **own,
    )


def _moment(day: date, hour: int, minute: int) -> str:
    return f"{day}T{hour:02d}:{minute:02d}:00Z"


def _email(chance: Random, day: date) -> dict[str, str]:
    minute = chance.randrange(60)
    cells = {"occurred_at": _moment(day, chance.randrange(7, 12), minute)}
    if chance.random() < _OPENED:
        cells["opened_at"] = _moment(day, chance.randrange(12, 14), minute)
        if chance.random() < _ANSWERED / _OPENED:
            cells["replied_at"] = _moment(day, chance.randrange(14, 17), minute)
    return cells


def _call(chance: Random, day: date) -> dict[str, str]:
    seconds = 0 if chance.random() < _NOT_TAKEN else chance.randrange(60, 1500)
    at = _moment(day, chance.randrange(7, 16), chance.randrange(60))
    return {"occurred_at": at, "seconds": str(seconds)}


def _talk(chance: Random, day: date) -> dict[str, str]:
    hour, minute = chance.randrange(7, 15), chance.randrange(30)
    lasts = chance.randrange(5, 30)
    return {
        "occurred_at": _moment(day, hour, minute),
        "ended_at": _moment(day, hour, minute + lasts),
    }


def _visit(chance: Random, day: date) -> dict[str, str]:
    return {"occurred_at": _moment(day, chance.randrange(7, 15), 0)}


_OF_KIND: dict[str, Callable[[Random, date], dict[str, str]]] = {
    "email": _email,
    "call": _call,
    "chat": _talk,
    "meeting": _talk,
    "visit": _visit,
}
