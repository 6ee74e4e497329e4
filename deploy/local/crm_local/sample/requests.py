"""What customers of the sample company asked to have built, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random

from crm_local.sample.customers import Customer
from crm_local.sample.deals import PRODUCTS
from crm_local.sample.records import CURRENCY, Row, external_id, money, row
from crm_local.sample.roster import in_role
from crm_local.sample.timeline import Timeline

REQUESTS = 48
_DECLINED = 0.2
_STEP_DAYS = (4, 16)  # from one status to the next
_WISHES = (
    ("{product}: export to XLSX", "{product} 支持导出 XLSX"),
    ("{product}: connect by Modbus TCP", "{product} 支持 Modbus TCP"),
    ("{product} with a longer cable", "{product} 加长电缆"),
    ("{product}: alarm by text message", "{product} 短信报警"),
)
_WAY = ("open", "evaluated", "planned", "in_development", "delivered", "confirmed")
_WHY_NOT = ("no demand elsewhere", "too expensive", "a product of others does it")


def make_requests(chance: Random, timeline: Timeline, customers: Sequence[Customer]) -> list[Row]:
    """Rows of requests, each as far on its way as its age lets it be."""
    return [
        _request(chance, timeline, number, chance.choice(customers))
        for number in range(1, REQUESTS + 1)
    ]


def _request(chance: Random, timeline: Timeline, number: int, customer: Customer) -> Row:
    opened_on = timeline.some_day(chance, max(timeline.first, customer.since))
    days = [opened_on]
    for _ in _WAY[1:]:
        days.append(timeline.workday(days[-1] + timedelta(days=chance.randrange(*_STEP_DAYS))))
    so_far = sum(day <= timeline.today for day in days)
    english, chinese = chance.choice(_WISHES)
    product = chance.choice(PRODUCTS)
    wish = chinese if customer.firm.market.is_chinese else english
    return row(
        external_id=external_id("request", number),
        title=wish.format(product=product.name),
        account=customer.external_id,
        contact=chance.choice(customer.contacts),
        product=product.external_id,
        owner=external_id("user", customer.owner.key),
        opened_on=opened_on,
        **_progress(chance, days, so_far),
    )


def _progress(chance: Random, days: Sequence[date], so_far: int) -> dict[str, object]:
    """What the departments have said by now; ``so_far`` statuses were reached."""
    if so_far > 1 and chance.random() < _DECLINED:
        why = chance.choice(_WHY_NOT)
        return {"status": "declined", "closed_on": days[1], "declined_reason": why}
    said: dict[str, object] = {"status": _WAY[so_far - 1]}
    if so_far > 1:
        said |= {"sales_value": money(500 * chance.randrange(4, 80)), "currency": CURRENCY}
    if so_far > 2:
        slip = timedelta(days=chance.randrange(-6, 10))
        said["planned_start_on"] = days[3]
        said["planned_delivery_on"] = max(days[3], days[4] + slip)
    if so_far > 3:
        said["started_on"] = days[3]
    if so_far > 4:
        said["delivered_on"] = days[4]
    if so_far > 5:
        said["closed_on"], said["satisfaction"] = days[5], chance.choice((3, 4, 4, 5, 5))
        said["service_owner"] = external_id("user", chance.choice(in_role("agent")).key)
    return said
