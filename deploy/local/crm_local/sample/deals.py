"""What the sample company sells, to whom, and how each deal went."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from random import Random

from crm_local.sample.campaigns import Campaign
from crm_local.sample.customers import SOURCES, Customer, some
from crm_local.sample.names import Firm
from crm_local.sample.records import CURRENCY, Move, Row, external_id, money, row
from crm_local.sample.roster import Colleague, in_role
from crm_local.sample.timeline import Timeline

DEALS = 160
_WIN_RATE = 0.54
_CYCLE_DAYS = 52
_OPENED_BEFORE_DAYS = 75  # so that deals are closed from the first month on
_NAMES_CAMPAIGN = 0.85
_ADVANCES_TODAY = 0.3
_SLIPS = 0.25
_MONTHLY_TARGETS = (7_000, 8_500, 9_000, 11_000)
_PAID_PERCENT = 85
_FIRST_TARGET_PERCENT, _TARGET_GROWTH_PERCENT = 55, 6

STAGES = ("prospecting", "qualification", "proposal", "negotiation")
_LOST_IN = {"prospecting": 3, "qualification": 4, "proposal": 4, "negotiation": 2}
_LOST_REASONS = {"price": 5, "competitor": 4, "no budget": 4, "no decision": 3, "timing": 2}


@dataclass(frozen=True, slots=True)
class Product:
    """:ivar most: the largest quantity in one deal; :ivar share: its part of the deals."""

    external_id: str
    name: str
    series: str
    price: int
    most: int
    share: int


PRODUCTS = tuple(
    Product(external_id("product", number), *rest)
    for number, rest in enumerate(
        (
            ("FlowSense 100", "FlowSense", 1_800, 24, 20),
            ("FlowSense 500", "FlowSense", 6_400, 8, 16),
            ("LabOne Compact", "LabOne", 11_500, 4, 14),
            ("LabOne Analyzer", "LabOne", 26_000, 2, 12),
            ("FleetView", "FleetView", 4_800, 6, 12),
            ("FleetView Enterprise", "FleetView", 18_000, 2, 7),
            ("CarePlan Basic", "CarePlan", 1_200, 15, 10),
            ("CarePlan Plus", "CarePlan", 3_900, 8, 9),
        ),
        1,
    )
)


def product_rows() -> list[Row]:
    """The products, at their list prices."""
    return [
        row(
            external_id=product.external_id,
            name=product.name,
            series=product.series,
            list_price=money(product.price),
            currency=CURRENCY,
        )
        for product in PRODUCTS
    ]


@dataclass(frozen=True, slots=True)
class Purchase:
    """What a deal is about."""

    product: Product
    quantity: int
    discount_percent: int

    @property
    def amount(self) -> int:
        """What it costs; list prices are in hundreds, so that every discount comes out even."""
        return self.product.price * self.quantity * (100 - self.discount_percent) // 100

    def title(self, firm: Firm) -> str:
        """What the deal with a firm is called."""
        return f"{self.quantity} × {self.product.name}, {firm.name}"


def some_purchase(chance: Random) -> Purchase:
    """Some of one product, at its list price or up to 15 % less."""
    product = chance.choices(PRODUCTS, [product.share for product in PRODUCTS])[0]
    quantity = 1 + int(product.most * chance.random() ** 2)
    return Purchase(product, quantity, chance.choice((0, 0, 5, 10, 15)))


@dataclass(frozen=True, slots=True)
class Course:
    """How a deal goes from its opening.

    :ivar stage: the open stage it is in, or was in before it was closed.
    :ivar closing: how it ended; None while it is open.
    """

    opened_on: date
    stage: str
    stage_since: date
    expected_close_on: date
    closing: Move | None

    @property
    def won_on(self) -> date | None:
        """The day on which the deal was won."""
        if self.closing is None or self.closing.name != "win":
            return None
        return date.fromisoformat(self.closing.facts["closed_on"])

    def from_first_stage(self) -> Move | None:
        """What takes a deal there that has just been opened."""
        if self.closing:
            return replace(self.closing, when={"stage": STAGES[0]})
        if self.stage == STAGES[0]:
            return None
        return Move({"stage": STAGES[0]}, "stage", {"stage": self.stage})


@dataclass(frozen=True, slots=True)
class Deal:
    """A deal that there is.

    :ivar key: what the deal goes by in a file, its external id or its name.
    :ivar account: external id or name of the customer.
    """

    key: str
    account: str
    firm: Firm
    owner: Colleague
    campaign: str | None
    purchase: Purchase
    course: Course

    @property
    def has_external_id(self) -> bool:
        """False for those that leads became, which have a name alone."""
        return self.key.startswith(external_id("deal", ""))


def some_course(chance: Random, timeline: Timeline, opened_on: date) -> Course:
    """The course of a deal up to today."""
    days = max(8, round(chance.lognormvariate(math.log(_CYCLE_DAYS), 0.45)))
    won = chance.random() < _WIN_RATE
    last = len(STAGES) if won else STAGES.index(some(chance, _LOST_IN)) + 1

    def left(stages: int) -> date:
        """The day on which the deal has so many stages behind it."""
        day = timeline.workday(opened_on + timedelta(days=days * stages // len(STAGES)))
        return max(opened_on, day)

    if left(last) <= timeline.today:
        closing = _closing(chance, STAGES[last - 1], left(last), won)
        return Course(opened_on, STAGES[last - 1], left(last - 1), left(last), closing)
    behind = max(stages for stages in range(last) if left(stages) <= timeline.today)
    expected = left(len(STAGES))
    if chance.random() < _SLIPS:
        expected = max(opened_on, timeline.today - timedelta(days=chance.randrange(1, 20)))
    return Course(opened_on, STAGES[behind], left(behind), expected, None)


def _closing(chance: Random, stage: str, on: date, won: bool) -> Move:
    facts = {"closed_on": on.isoformat()}
    if won:
        return Move({"stage": stage}, "win", facts)
    return Move({"stage": stage}, "lose", facts | {"reason": some(chance, _LOST_REASONS)})


def _advance(chance: Random, course: Course) -> Move | None:
    """A step that the salesperson takes today."""
    following = STAGES.index(course.stage) + 1
    if following == len(STAGES) or chance.random() > _ADVANCES_TODAY:
        return None
    return Move({"stage": course.stage}, "stage", {"stage": STAGES[following]})


def some_campaign(
    chance: Random, campaigns: Sequence[Campaign], source: str, day: date
) -> Campaign | None:
    """A campaign that brought in business of this source on this day, often; else None."""
    running = [each for each in campaigns if each.source == source and each.brings_on(day)]
    return chance.choice(running) if running and chance.random() < _NAMES_CAMPAIGN else None


def make_deals(
    chance: Random,
    timeline: Timeline,
    customers: Sequence[Customer],
    campaigns: Sequence[Campaign],
) -> tuple[list[Deal], list[Row], dict[str, Sequence[Move]]]:
    """Deals that did not begin as a lead, their rows and their moves."""
    deals: list[Deal] = []
    rows: list[Row] = []
    moves: dict[str, Sequence[Move]] = {}
    for number in range(1, DEALS + 1):
        customer = chance.choice(customers)
        first = max(customer.since, timeline.first - timedelta(days=_OPENED_BEFORE_DAYS))
        course = some_course(chance, timeline, timeline.some_day(chance, first))
        source = some(chance, SOURCES)
        campaign = some_campaign(chance, campaigns, source, course.opened_on)
        purchase = some_purchase(chance)
        key = external_id("deal", number)
        if move := course.closing or _advance(chance, course):
            moves[key] = [move]
        deals.append(
            Deal(
                key,
                customer.external_id,
                customer.firm,
                customer.owner,
                campaign.external_id if campaign else None,
                purchase,
                course,
            )
        )
        rows.append(
            row(
                external_id=key,
                name=purchase.title(customer.firm),
                account=customer.external_id,
                product=purchase.product.external_id,
                campaign=campaign.external_id if campaign else None,
                owner=external_id("user", customer.owner.key),
                source=source,
                stage=course.stage,
                stage_since=course.stage_since,
                amount=money(purchase.amount),
                currency=CURRENCY,
                quantity=purchase.quantity,
                opened_on=course.opened_on,
                expected_close_on=course.expected_close_on,
            )
        )
    return deals, rows, moves


def target_rows(chance: Random, timeline: Timeline) -> list[Row]:
    """Monthly targets of everybody who sells, and of each sales team the sum of its people's.

    Of what is sold, most is to be paid in the same month.
    """
    rows: list[Row] = []
    reps = in_role("sales_rep")
    usual = {rep: chance.choice(_MONTHLY_TARGETS) for rep in reps}
    for number, month in enumerate(timeline.months):
        percent = _FIRST_TARGET_PERCENT + _TARGET_GROWTH_PERCENT * number
        totals: Counter[str] = Counter()
        for rep in reps:
            amount = usual[rep] * percent // 100
            totals[str(rep.team)] += amount
            rows += _targets("person", "user", rep.key, month, amount)
        for team, total in totals.items():
            rows += _targets("team", "team", team, month, total)
    return rows


def _targets(scope: str, kind: str, key: str, month: str, amount: int) -> list[Row]:
    """What somebody is to sell in a month, and what is to come in for it."""
    amounts = {"sales": amount, "receipts": amount * _PAID_PERCENT // 100}
    return [
        row(
            external_id=external_id("target", f"{key}-{month}-{measure}"),
            scope=scope,
            measure=measure,
            member=external_id(kind, key),
            month=month,
            amount=money(measured),
            currency=CURRENCY,
        )
        for measure, measured in amounts.items()
    ]
