"""Who asked the sample company, and what became of that."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from crm_local.sample.campaigns import Campaign
from crm_local.sample.customers import SOURCES, Customer, job_title, some, some_rep
from crm_local.sample.deals import Deal, some_campaign, some_course, some_purchase
from crm_local.sample.names import Firm, Names
from crm_local.sample.records import CURRENCY, Conversion, Move, Row, external_id, money, row
from crm_local.sample.timeline import Timeline

LEADS = 240
_FROM_CUSTOMERS = 0.25
_FRESH_DAYS = 10
_LONGEST_DAYS = 35  # until it is known what becomes of a lead

_FRESH = {"new": 6, "contacted": 4}
_BECAME = {
    "converted": 17,
    "qualified": 16,
    "nurturing": 15,
    "contacted": 14,
    "unqualified": 22,
    "junk": 11,
    "recycled": 5,
}
_SCORES = {"qualified": 70, "nurturing": 50, "contacted": 40, "new": 30}
_FOLLOWING = {"new": "contacted", "contacted": "qualified", "nurturing": "qualified"}
_MOVES_TODAY = 0.4


@dataclass(frozen=True, slots=True)
class _Life:
    """What became of a lead: its status when it is imported, and what happens then."""

    status: str
    since: date
    move: Move | None = None
    converted_on: date | None = None


def make_leads(
    chance: Random,
    timeline: Timeline,
    names: Names,
    customers: Sequence[Customer],
    campaigns: Sequence[Campaign],
) -> tuple[list[Deal], list[Row], dict[str, Sequence[Move]], dict[str, Conversion]]:
    """The deals that leads became; rows of leads, their moves and their conversions."""
    deals: list[Deal] = []
    rows: list[Row] = []
    moves: dict[str, Sequence[Move]] = {}
    conversions: dict[str, Conversion] = {}
    for number in range(1, LEADS + 1):
        key = external_id("lead", number)
        came_in = timeline.some_day(chance)
        customer = _customer(chance, customers, came_in)
        firm = customer.firm if customer else names.firm()
        owner = customer.owner if customer else some_rep(chance, firm.market)
        life = _life(chance, timeline, came_in)
        source = some(chance, SOURCES)
        campaign = some_campaign(chance, campaigns, source, came_in)
        if life.move:
            moves[key] = [life.move]
        if life.converted_on:
            purchase = some_purchase(chance)
            deal = Deal(
                f"{purchase.title(firm)} (L{number})",
                customer.external_id if customer else firm.name,
                firm,
                owner,
                campaign.external_id if campaign else None,
                purchase,
                some_course(chance, timeline, life.converted_on),
            )
            deals.append(deal)
            conversions[key] = _conversion(deal, customer)
        rows.append(
            _person(chance, names, firm)
            | row(
                external_id=key,
                owner=external_id("user", owner.key),
                source=source,
                score=_SCORES.get(life.status, 10) + chance.randrange(25),
                status=life.status,
                status_since=life.since,
                campaign=campaign.external_id if campaign else None,
                created_on=came_in,
            )
        )
    return deals, rows, moves, conversions


def _person(chance: Random, names: Names, firm: Firm) -> Row:
    """Who asked."""
    person = names.person(firm)
    return row(
        name=person.name,
        company=firm.name,
        job_title=job_title(chance, firm),
        phone=person.phone,
        email=person.email,
        industry=firm.industry,
        region=firm.market.region,
    )


def _customer(chance: Random, customers: Sequence[Customer], day: date) -> Customer | None:
    """Where the lead works, when that was a customer already."""
    if chance.random() > _FROM_CUSTOMERS:
        return None
    return chance.choice([customer for customer in customers if customer.since <= day])


def _life(chance: Random, timeline: Timeline, came_in: date) -> _Life:
    became = some(chance, _FRESH if timeline.age(came_in) < _FRESH_DAYS else _BECAME)
    decided_on = timeline.workday(came_in + timedelta(days=chance.randrange(_LONGEST_DAYS)))
    since = min(max(came_in, decided_on), timeline.today)
    if became == "converted":
        return _Life("qualified", came_in + (since - came_in) // 3, converted_on=since)
    forgotten = timeline.age(since) > _LONGEST_DAYS
    if became not in _FOLLOWING or forgotten or chance.random() > _MOVES_TODAY:
        return _Life(became, since)
    return _Life(became, since, Move({"status": became}, "status", {"status": _FOLLOWING[became]}))


def _conversion(deal: Deal, customer: Customer | None) -> Conversion:
    return Conversion(
        {
            "opportunity_name": deal.key,
            "converted_on": deal.course.opened_on.isoformat(),
            "amount": money(deal.purchase.amount),
            "currency": CURRENCY,
            "quantity": deal.purchase.quantity,
            "expected_close_on": deal.course.expected_close_on.isoformat(),
        },
        deal.purchase.product.external_id,
        customer.external_id if customer else None,
        deal.course.from_first_stage(),
    )
