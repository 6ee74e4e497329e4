"""The sample company's customers, and the people there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random

from crm_local.sample.names import Firm, Market, Names
from crm_local.sample.records import CURRENCY, Row, external_id, money, row
from crm_local.sample.roster import Colleague, in_role
from crm_local.sample.timeline import Timeline

CUSTOMERS = 60
_SINCE_BEFORE = 0.55  # of them were customers before the time that is looked back on
_OLDEST_DAYS = 1500
_TELLS_OTHERS = 0.12

REFERENCE_TAG = "reference"
"""Borne by customers who tell others."""

SOURCES = {
    "website": 26,
    "trade fair": 18,
    "referral": 17,
    "partner": 14,
    "webinar": 13,
    "advertising": 12,
}
"""Where business comes from, to how much of a hundred."""

_LEVELS = {"A": 2, "B": 4, "C": 4}
_SATISFACTIONS = {"high": 5, "medium": 3, "low": 1, "": 2}
_NEEDS = {
    "Manufacturing": "Inline measurement on every line, without stopping it.",
    "Healthcare": "Devices with calibration records for audits.",
    "Energy": "Flow meters that bear heat and pressure.",
    "Food": "Hygienic sensors that are cleaned in place.",
    "Education": "Robust instruments for courses, at education prices.",
    "IT": "Readings in their own systems, by an API.",
    "Finance": "Climate monitoring of data centres.",
}
_PREFERENCES = ("Calls in the morning.", "Offers by e-mail.", "Visits on site.", "")
_JOB_TITLES = ("Head of Purchasing", "Laboratory Manager", "Plant Manager", "Quality Engineer")
_CHINESE_JOB_TITLES = ("采购经理", "实验室主任", "设备工程师", "质量主管")


@dataclass(frozen=True, slots=True)
class Customer:
    """An account.

    :ivar contacts: external ids of the people there.
    """

    external_id: str
    firm: Firm
    owner: Colleague
    since: date
    contacts: Sequence[str]


def some(chance: Random, weights: dict[str, int]) -> str:
    """One of these, as likely as its weight."""
    return chance.choices(list(weights), list(weights.values()))[0]


def some_rep(chance: Random, market: Market) -> Colleague:
    """One of those who sell in a market."""
    return chance.choice(in_role("sales_rep", market.team))


def job_title(chance: Random, firm: Firm) -> str:
    """In the firm's language."""
    return chance.choice(_CHINESE_JOB_TITLES if firm.market.is_chinese else _JOB_TITLES)


def make_customers(
    chance: Random, timeline: Timeline, names: Names
) -> tuple[list[Customer], list[Row], list[Row]]:
    """Customers, and the rows of their accounts and of their contacts."""
    customers: list[Customer] = []
    accounts: list[Row] = []
    contacts: list[Row] = []
    for number in range(1, CUSTOMERS + 1):
        firm = names.firm()
        there = [len(contacts) + place for place in range(1, chance.choice((1, 2, 2, 3)) + 1)]
        customer = Customer(
            external_id("account", number),
            firm,
            some_rep(chance, firm.market),
            _since(chance, timeline),
            [external_id("contact", place) for place in there],
        )
        customers.append(customer)
        accounts.append(_account(chance, names, customer))
        contacts += [_contact(chance, names, customer, key) for key in customer.contacts]
    return customers, accounts, contacts


def _since(chance: Random, timeline: Timeline) -> date:
    if chance.random() < _SINCE_BEFORE:
        return timeline.first - timedelta(days=chance.randrange(1, _OLDEST_DAYS))
    return timeline.some_day(chance)


def _account(chance: Random, names: Names, customer: Customer) -> Row:
    firm = customer.firm
    employees = round(20 * 10 ** (chance.random() * 2.3))
    return row(
        external_id=customer.external_id,
        name=firm.name,
        kind="business",
        industry=firm.industry,
        region=firm.market.region,
        level=some(chance, _LEVELS),
        phones=names.phone(firm),
        emails=f"office@{firm.domain}",
        addresses=firm.city,
        needs=_NEEDS[firm.industry],
        preferences=chance.choice(_PREFERENCES),
        satisfaction=some(chance, _SATISFACTIONS),
        website=f"https://{firm.domain}",
        employees=employees,
        annual_revenue=money(employees * chance.randrange(90, 240) * 1000),
        currency=CURRENCY,
        founded_year=chance.randrange(1925, customer.since.year),
        owner=external_id("user", customer.owner.key),
        source=some(chance, SOURCES),
        created_on=customer.since,
        tags=REFERENCE_TAG if chance.random() < _TELLS_OTHERS else None,
    )


def _contact(chance: Random, names: Names, customer: Customer, key: str) -> Row:
    person = names.person(customer.firm)
    return row(
        external_id=key,
        account=customer.external_id,
        name=person.name,
        sex=person.sex,
        job_title=job_title(chance, customer.firm),
        phones=person.phone,
        emails=person.email,
        region=customer.firm.market.region,
        owner=external_id("user", customer.owner.key),
        created_on=customer.since,
    )
