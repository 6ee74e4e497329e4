"""A company's history as the events of all services: leads, deals and tickets side by side."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from heapq import heappop, heappush
from itertools import count, islice
from typing import Any

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_contracts import catalogue

EVENTS_A_DEAL = 9
"""About as many come of each lead."""

_FIRST_DAY = datetime(2025, 1, 1, tzinfo=UTC)
_UNDER_WAY = timedelta(days=60)
"""From a lead to the end of what comes of it, at most."""
_PEOPLE, _TEAMS, _PRODUCTS, _CAMPAIGNS = 35, 6, 7, 10
_DEALS_AN_ACCOUNT = 4
_INDUSTRIES = ("retail", "medical", "software", "finance", "marketing", "employment")
_REGIONS = ("North", "East", "South", "West", "Central")
_SOURCES = ("web", "trade fair", "referral", "partner")
_STAGES = (("prospecting", 10), ("qualification", 20), ("proposal", 50), ("negotiation", 80))

Data = dict[str, Any]


class Company:
    """Makes up what happens in a company from 2025 on.

    Its people, products, industries and so on stay the same however long the history is; accounts,
    leads, deals and tickets are as many as it takes.

    :param leads_a_day: how busy it is.
    """

    def __init__(self, leads_a_day: float, seed: int = 7) -> None:
        self._between_leads = timedelta(days=1) / leads_a_day
        self._random = random.Random(seed)
        self._teams = [new_id() for _ in range(_TEAMS)]
        self._people = [(new_id(), self._teams[n % _TEAMS]) for n in range(_PEOPLE)]
        self._products = [new_id() for _ in range(_PRODUCTS)]
        self._campaigns = [new_id() for _ in range(_CAMPAIGNS)]
        self._examples = {contract.type: contract.example["data"] for contract in catalogue()}
        self._account: Data = {}
        self._deals = 0
        self._history = self._in_order()

    def events(self, number: int) -> list[Event]:
        """The next ``number`` events, in the order in which they happen."""
        return list(islice(self._history, number))

    def _in_order(self) -> Iterator[Event]:
        stories: list[tuple[datetime, int, Event, Iterator[Event]]] = []
        ties = count()

        def go_on(story: Iterator[Event]) -> None:
            event = next(story, None)
            if event is not None:
                heappush(stories, (event.time, next(ties), event, story))

        next_lead = _FIRST_DAY - _UNDER_WAY  # so that from the first day on all kinds happen
        while True:
            while not stories or stories[0][0] >= next_lead:
                go_on(self._story(next_lead))
                next_lead += self._between_leads
            _, _, event, story = heappop(stories)
            if event.time >= _FIRST_DAY:
                yield event
            go_on(story)

    def _later(self, now: datetime, days: int) -> datetime:
        return now + timedelta(days=days * self._random.random())

    def _story(self, now: datetime) -> Iterator[Event]:
        """A deal from lead to won or lost, and a ticket after it."""
        pick = self._random.choice
        owner, team = pick(self._people)
        shared = {"owner_id": owner, "team_id": team, "source": pick(_SOURCES)}
        self._deals += 1
        if self._deals % _DEALS_AN_ACCOUNT == 1:
            self._account = shared | {
                "id": new_id(),
                "industry": pick(_INDUSTRIES),
                "region": pick(_REGIONS),
                "created_on": _day(now),
            }
            yield self._event("customer.account.created", 1, now, self._account)
        account = self._account
        lead = shared | {
            "id": new_id(),
            "industry": account["industry"],
            "region": account["region"],
            "campaign_id": pick(self._campaigns),
            "created_on": _day(now),
        }
        yield self._event("sales.lead.created", 1, now, lead)
        now = self._later(now, 3)
        yield self._event("sales.lead.status_changed", 2, now, lead)
        now = self._later(now, 10)
        deal = shared | {
            "id": new_id(),
            "lead_id": lead["id"],
            "account_id": account["id"],
            "product_id": pick(self._products),
            "campaign_id": lead["campaign_id"],
            "amount": f"{self._random.randrange(50, 30_000)}.00",
            "opened_on": _day(now),
            "expected_close_on": _day(now + timedelta(days=45)),
        }
        converted = {"account_id": account["id"], "opportunity_id": deal["id"]}
        on = {"converted_on": _day(now)}
        yield self._event("sales.lead.converted", 3, now, lead | converted | on)
        yield from self._deal(deal, now)
        yield from self._ticket(account, shared, self._later(now, 35))

    def _deal(self, deal: Data, now: datetime) -> Iterator[Event]:
        yield self._event("sales.opportunity.opened", 1, now, deal | _stage(1, *_STAGES[0]))
        steps = self._random.randrange(1, len(_STAGES))
        for order in range(2, steps + 2):
            now = self._later(now, 10)
            moved = deal | _stage(order, *_STAGES[order - 1])
            yield self._event("sales.opportunity.stage_changed", order, now, moved)
        now = self._later(now, 5)
        verb, order, odds = self._random.choice((("won", 5, 100), ("lost", 6, 0)))
        closed = {"stage_type": verb, "closed_on": _day(now)}
        ended = deal | _stage(order, verb, odds) | closed
        yield self._event(f"sales.opportunity.{verb}", steps + 2, now, ended)

    def _ticket(self, account: Data, shared: Data, now: datetime) -> Iterator[Event]:
        ticket = {
            "id": new_id(),
            "account_id": account["id"],
            "assignee_id": shared["owner_id"],
            "team_id": shared["team_id"],
            "opened_on": _day(now),
        }
        yield self._event("service-desk.ticket.opened", 1, now, ticket)
        now = self._later(now, 5)
        yield self._event(
            "service-desk.ticket.resolved", 2, now, ticket | {"resolved_on": _day(now)}
        )

    def _event(self, name: str, sequence: int, now: datetime, data: Data) -> Event:
        event_type = f"crm.{name}.v1"
        return Event(
            id=new_id(),
            type=event_type,
            source=f"/crm/{name.partition('.')[0]}",
            subject=data["id"],
            time=now,
            sequence=sequence,
            data=self._examples[event_type] | data,
            actor=data.get("owner_id", "service-desk"),
            correlationid=data["id"],
        )


def _stage(order: int, key: str, probability: int) -> Data:
    return {
        "stage": key,
        "stage_order": order,
        "stage_type": "open",
        "probability": probability,
        "closed_on": None,
    }


def _day(now: datetime) -> str:
    return now.date().isoformat()
