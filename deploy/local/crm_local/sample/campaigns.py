"""What the sample company advertised, and when."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from crm_local.sample.records import CURRENCY, Row, external_id, money, row
from crm_local.sample.roster import in_role
from crm_local.sample.timeline import Timeline

_ECHO_DAYS = 30  # people still answer a campaign that is over


@dataclass(frozen=True, slots=True)
class Campaign:
    """:ivar starts_on: first day; :ivar source: what the leads that it brings have as theirs."""

    external_id: str
    source: str
    starts_on: date
    ends_on: date

    def brings_on(self, day: date) -> bool:
        """True on the days on which leads come from it."""
        return self.starts_on <= day <= self.ends_on + timedelta(days=_ECHO_DAYS)


# name, channel, source of its leads, share of the time at which it starts, days, budget, status
_PLAN = (
    ("New customers by search", "search", "advertising", 0.00, 120, 16_000, None),
    ("FlowSense webinar series", "webinar", "webinar", 0.06, 60, 9_500, None),
    ("上海工业仪器展", "trade fair", "trade fair", 0.15, 12, 26_000, None),
    ("Spring mailing: calibration", "email", "website", 0.27, 30, 4_200, None),
    ("Hannover measurement fair", "trade fair", "trade fair", 0.38, 10, 31_000, None),
    ("Print adverts in trade journals", "print", "advertising", 0.45, 60, 18_000, "cancelled"),
    ("微信公众号系列", "social", "website", 0.50, 90, 12_500, None),
    ("LabOne Compact launch", "launch", "webinar", 0.66, 75, 19_000, None),
    ("Always-on social adverts", "social", "advertising", 0.78, 200, 26_000, None),
    ("Chicago lab expo", "trade fair", "trade fair", 0.90, 8, 22_000, None),
    ("Year-end mailing", "email", "website", 1.04, 30, 5_000, None),
)
_CANCELLED_AT = 0.2  # of the budget spent


def make_campaigns(timeline: Timeline) -> tuple[list[Campaign], list[Row]]:
    """Campaigns, and their rows as they stand today."""
    campaigns, rows = [], []
    owners = in_role("marketer")
    length = timeline.age(timeline.first)
    for number, (name, channel, source, start, days, budget, ended) in enumerate(_PLAN, 1):
        starts_on = timeline.first + timedelta(days=int(start * length))
        campaign = Campaign(
            external_id("campaign", number), source, starts_on, starts_on + timedelta(days=days)
        )
        done = min(1.0, max(0.0, timeline.age(starts_on) / days))
        spent = _CANCELLED_AT if ended else done * (0.86 + 0.04 * (number % 6))
        rows.append(
            row(
                external_id=campaign.external_id,
                name=name,
                channel=channel,
                status=ended or _status(done),
                budget=money(budget),
                actual_cost=money(round(budget * spent)) if done else None,
                currency=CURRENCY,
                starts_on=campaign.starts_on,
                ends_on=campaign.ends_on,
                owner=external_id("user", owners[number % len(owners)].key),
            )
        )
        if not ended:
            campaigns.append(campaign)
    return campaigns, rows


def _status(done: float) -> str:
    if done == 0:
        return "planning"
    return "complete" if done == 1 else "active"
