"""The service on each database, and events to tell it of."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event
from crm_reporting.app import create_app

STAGES = [
    ("prospecting", "open", 10),
    ("qualification", "open", 20),
    ("proposal", "open", 50),
    ("negotiation", "open", 80),
    ("won", "won", 100),
    ("lost", "lost", 0),
]
WON, LOST = 4, 5
START = date(2026, 1, 20)


class Company:
    """Makes up a company's events, in the order in which they would happen."""

    def __init__(self, random: Random, size: int = 4) -> None:
        self.random = random
        self.size = size
        self._count = count(1)
        self._company = random.getrandbits(40)  # two companies have nothing in common
        self.teams = [self.id() for _ in range(2)]
        self.people = [(self.id(), random.choice([*self.teams, None])) for _ in range(3)]
        self.accounts = [self.id() for _ in range(3)]
        self.products = [self.id() for _ in range(2)]
        self.campaigns = [self.id() for _ in range(2)]
        self.leads = [self.id() for _ in range(size)]

    def events(self) -> list[Event]:
        lives = [
            *(self.account(id_) for id_ in self.accounts[1:]),  # nothing is told of the first
            *(self.campaign(id_) for id_ in self.campaigns),
            *(self.lead(id_) for id_ in self.leads),
            *(self.deal(self.id()) for _ in range(self.size)),
            *(self.ticket(self.id()) for _ in range(self.size)),
            *(self.order(self.id()) for _ in range(self.size)),
            *(self.receipt(self.id()) for _ in range(self.size)),
            *(self.request(self.id()) for _ in range(self.size)),
            *(self.target(self.id(), *of) for of in self.targets),
            self.product(self.products[0]),
        ]
        told = []
        while lives:
            life = self.random.choice(lives)
            if (happened := next(life, None)) is None:
                lives.remove(life)
            else:
                told.append(happened)
        return told

    def id(self) -> str:
        """An id that nothing else has, whatever the random choices are."""
        return f"0190{next(self._count):04x}-0000-7000-8000-{self._company:012x}"

    def day(self, most: int = 60) -> str:
        return (START + timedelta(days=self.random.randrange(most))).isoformat()

    def owner(self, key: str = "owner_id") -> dict[str, Any]:
        person, team = self.random.choice(self.people)
        return {key: person, "team_id": team}

    def maybe(self, *values: Any) -> Any:
        return self.random.choice([*values, None])

    def tell(
        self,
        kind: str,
        state: dict[str, Any],
        sequence: int,
        change: dict[str, Any] | None = None,
        version: int = 1,
    ) -> Event:
        data = state if change is None else {**state, "change": change}
        return event(
            f"crm.{kind}.v{version}",
            data,
            sequence=sequence,
            id=self.id(),
            time=datetime(2026, 3, self.random.randint(1, 28), tzinfo=UTC),
        )

    def account(self, id_: str) -> Iterator[Event]:
        verb = "created"
        for sequence in range(1, self.random.randint(1, 4) + 1):
            state = {
                "id": id_,
                "name": "Acme",
                "industry": self.maybe("IT", "finance"),
                "region": self.maybe("north", "south"),
                "level": self.maybe("A", "B"),
                "source": self.maybe("web"),
                "created_on": START.isoformat(),
            }
            yield self.tell(f"customer.account.{verb}", state | self.owner(), sequence)
            verb = "changed"

    def campaign(self, id_: str) -> Iterator[Event]:
        state = {"id": id_, "starts_on": self.maybe(self.day()), "currency": "EUR"}
        for sequence in (1, 2):
            state["actual_cost"] = self.maybe("100.50", "200.00")
            verb = "created" if sequence == 1 else "changed"
            yield self.tell(f"marketing.campaign.{verb}", state | self.owner(), sequence)

    def product(self, id_: str) -> Iterator[Event]:
        yield self.tell("sales.product.created", {"id": id_, "name": "GTX"}, 1)

    @property
    def targets(self) -> list[tuple[str, str | None, str]]:
        """Scope, member and measure."""
        of_company = [("company", None, measure) for measure in ("sales", "receipts")]
        return [*of_company, ("team", self.teams[0], "sales"), ("team", self.teams[1], "receipts")]

    def target(self, id_: str, scope: str, member: str | None, measure: str) -> Iterator[Event]:
        state = {"id": id_, "scope": scope, "member_id": member, "month": "2026-02"}
        for sequence in (1, 2):
            state["amount"] = f"{sequence}000.00"
            if measure == "sales" and member is not None:
                yield self.tell("sales.target.set", state, sequence)
            yield self.tell("sales.target.set", state | {"measure": measure}, sequence, version=2)

    def request(self, id_: str) -> Iterator[Event]:
        state = {
            "id": id_,
            "account_id": self.random.choice(self.accounts),
            "product_id": self.maybe(*self.products),
            "opened_on": self.day(),
            "delivered_on": None,
            "seconds_to_delivery": None,
            **self.owner(),
        }
        yield self.tell("sales.request.opened", state, 1)
        for sequence in range(2, self.random.randint(2, 6)):
            verb = self.random.choice(["changed", "status_changed"])
            if verb == "changed":
                state |= self.owner() | {"account_id": self.random.choice(self.accounts)}
                yield self.tell(f"sales.request.{verb}", state, sequence)
                continue
            done = {
                "delivered_on": self.day(90),
                "seconds_to_delivery": self.random.randrange(10**6),
            }
            state |= self.random.choice([done, dict.fromkeys(done)])
            change = {"from_status": "open", "to_status": "open", "seconds_in_status": 1}
            yield self.tell(f"sales.request.{verb}", state, sequence, change)

    def lead(self, id_: str) -> Iterator[Event]:
        state = {
            "id": id_,
            "status": "new",
            "source": self.maybe("web", "fair"),
            "campaign_id": self.maybe(*self.campaigns),
            "industry": self.maybe("IT"),
            "region": self.maybe("north"),
            "created_on": self.day(),
            "converted_on": None,
            "account_id": None,
            "contact_id": None,
            "opportunity_id": None,
            **self.owner(),
        }
        yield self.tell("sales.lead.created", state, 1)
        path = ["contacted", "qualified", self.random.choice(["converted", "junk"])]
        for sequence, status in enumerate(path[: self.random.randint(0, 3)], start=2):
            change = {"from_status": state["status"], "to_status": status, "seconds_in_status": 60}
            state["status"] = status
            if status != "converted":
                yield self.tell("sales.lead.status_changed", state, sequence, change)
                continue
            account = self.random.choice(self.accounts)
            example = event("crm.sales.lead.converted.v1", {}).data["change"]
            state |= {"converted_on": self.day(), "account_id": account}
            state |= {"contact_id": self.id(), "opportunity_id": self.id()}
            yield self.tell("sales.lead.converted", state, sequence, example)

    def deal(self, id_: str) -> Iterator[Event]:
        random = self.random
        opened = START + timedelta(days=random.randrange(60))
        state = {
            "id": id_,
            "account_id": self.maybe(*self.accounts),
            "product_id": self.maybe(*self.products),
            "lead_id": self.maybe(*self.leads),
            "campaign_id": self.maybe(*self.campaigns),
            "source": self.maybe("web", "fair"),
            "pipeline": "default",
            "amount": self.maybe("10.00", "99.99", "1234.5678"),
            "currency": random.choice(["EUR", "USD"]),
            "quantity": self.maybe(1, 5),
            "opened_on": random.choice([opened.isoformat(), None]),
            "expected_close_on": self.maybe((opened + timedelta(days=40)).isoformat()),
            "closed_on": None,
            "lost_reason": None,
            **self.owner(),
        }
        at = self._enter(state, 0)
        yield self.tell("sales.opportunity.opened", state, 1)
        for sequence in range(2, random.randint(2, 7)):
            was = at
            if was in (WON, LOST):
                at = self._enter(state, random.randrange(4))
                state["closed_on"] = None
                verb = "reopened"
            elif random.random() < 0.25:
                state |= self.owner() | {"account_id": self.maybe(*self.accounts)}
                yield self.tell("sales.opportunity.changed", state, sequence)
                continue
            else:
                at = self._enter(state, random.choice([n for n in range(6) if n != was]))
                verb = {WON: "won", LOST: "lost"}.get(at, "stage_changed")
                if at in (WON, LOST):
                    state["closed_on"] = (opened + timedelta(days=random.randrange(50))).isoformat()
            change = {
                "from_stage": STAGES[was][0],
                "to_stage": STAGES[at][0],
                "from_stage_order": was + 1,
                "to_stage_order": at + 1,
                "seconds_in_stage": random.randrange(10**6),
            }
            yield self.tell(f"sales.opportunity.{verb}", state, sequence, change)

    def _enter(self, state: dict[str, Any], stage: int) -> int:
        key, kind, probability = STAGES[stage]
        state |= {"stage": key, "stage_order": stage + 1, "stage_type": kind}
        state["probability"] = probability
        return stage

    def order(self, id_: str) -> Iterator[Event]:
        state = {
            "id": id_,
            "account_id": self.maybe(*self.accounts),
            "campaign_id": self.maybe(*self.campaigns),
            "status": "placed",
            "currency": self.random.choice(["EUR", "JPY"]),
            "total": self.random.choice(["0.00", "120.00", "99999.99"]),
            "placed_on": self.day(),
            **self.owner(),
        }
        yield self.tell("sales.order.placed", state, 1)
        for sequence in range(2, self.random.randint(2, 6)):
            verb = self.random.choice(["changed", "fulfilled", "returned", "cancelled"])
            if verb == "changed":
                state |= self.owner() | {"account_id": self.maybe(*self.accounts)}
            if verb in ("fulfilled", "cancelled"):
                state["status"] = verb
            returned = {"return_id": self.id(), "returned_on": self.day(90), "amount": "10.50"}
            change = {**returned, "lines": []} if verb == "returned" else None
            yield self.tell(f"sales.order.{verb}", state, sequence, change)

    def receipt(self, id_: str) -> Iterator[Event]:
        state = {
            "id": id_,
            "account_id": self.maybe(*self.accounts),
            "amount": self.random.choice(["5.00", "0.01"]),
            "currency": "EUR",
            "received_on": self.day(),
            "method": self.maybe("transfer", "cash"),
            "status": "recorded",
            **self.owner(),
        }
        yield self.tell("sales.receipt.recorded", state, 1)
        if self.random.random() < 0.3:
            yield self.tell("sales.receipt.reversed", state | {"status": "reversed"}, 2)

    def ticket(self, id_: str) -> Iterator[Event]:
        opened = self.day()
        state = {
            "id": id_,
            "status": "open",
            "type": self.random.choice(["question", "complaint"]),
            "account_id": self.maybe(*self.accounts),
            "opened_on": opened,
            "opened_at": f"{opened}T08:00:00Z",
            "resolved_on": None,
            "resolved_at": None,
            "closed_on": None,
            **self.owner("assignee_id"),
        }
        yield self.tell("service-desk.ticket.opened", state, 1)
        for sequence in range(2, self.random.randint(2, 5)):
            verb = "reopened" if state["resolved_on"] else "resolved"
            day = self.day(90)
            done = {"resolved_on": day, "resolved_at": f"{day}T09:30:00Z", "status": "resolved"}
            undone = {"resolved_on": None, "resolved_at": None, "status": "reopened"}
            state |= done if verb == "resolved" else undone
            change = {"from_status": "open", "to_status": "open", "seconds_in_status": 1}
            yield self.tell(f"service-desk.ticket.{verb}", state, sequence, change)


@pytest.fixture
def company() -> type[Company]:
    """Makes up a company's events: ``company(random).events()``."""
    return Company


@pytest.fixture
def reporting(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "reporting", tmp_path)
    yield harness
    harness.close()


@pytest.fixture
def reporting_on_postgres(tmp_path: Path, postgres: Any) -> Iterator[Harness]:
    harness = Harness(create_app, "reporting", tmp_path, postgres.create_database("reporting"))
    yield harness
    harness.close()


@pytest.fixture(params=["sqlite", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Harness:
    """The service on each of the databases it runs on."""
    name = "reporting" if request.param == "sqlite" else "reporting_on_postgres"
    harness: Harness = request.getfixturevalue(name)
    return harness
