"""Targets of the company and in receipts, from both versions of their event; customer requests."""

from __future__ import annotations

from datetime import date
from random import Random
from typing import Any

import pytest

from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Caller, Harness, event
from crm_reporting.projections.archive import Archive

NORTH, ANN = new_id(), new_id()
JANUARY = {"from": "2026-01-01", "to": "2026-01-31"}


def target(
    scope: str,
    member: str | None,
    amount: str,
    measure: str = "sales",
    *,
    id_: str | None = None,
    sequence: int = 1,
    versions: tuple[int, ...] = (1, 2),
) -> list[Event]:
    """What sales tells of a target: the first version only what it can say."""
    data = {"id": id_ or new_id(), "scope": scope, "member_id": member, "month": "2026-01"}
    data |= {"amount": amount, "currency": "EUR"}
    events = [event("crm.sales.target.set.v2", data | {"measure": measure}, sequence=sequence)]
    if measure == "sales" and member is not None:
        events.insert(0, event("crm.sales.target.set.v1", data, sequence=sequence))
    return [told for told in events if int(told.type[-1]) in versions]


def receipt(amount: str, **more: Any) -> Event:
    data = {"id": new_id(), "amount": amount, "currency": "EUR", "status": "recorded"}
    data |= {"received_on": "2026-01-09", "owner_id": ANN, "team_id": NORTH}
    return event("crm.sales.receipt.recorded.v1", data | more)


def won(amount: str) -> Event:
    data = {"id": new_id(), "amount": amount, "currency": "EUR", "closed_on": "2026-01-08"}
    return event("crm.sales.opportunity.won.v1", data | {"owner_id": ANN, "team_id": NORTH})


def kpi(of: Harness | Caller, name: str, **query: Any) -> Any:
    caller = of.as_user() if isinstance(of, Harness) else of
    answer = caller.get(f"/v1/kpis/{name}", query_string=JANUARY | query)
    assert answer.status_code == 200, answer.text
    return answer.json


def total(of: Harness | Caller, name: str, **query: Any) -> Any:
    return kpi(of, name, **query)["total"]["value"]


@pytest.fixture
def told(anywhere: Harness) -> Harness:
    """North and in it Ann, who won 50 and received 30."""
    anywhere.deliver(
        event("crm.gateway.team.created.v1", {"id": NORTH, "name": "North", "parent_id": None}),
        event("crm.gateway.user.created.v1", {"id": ANN, "name": "Ann", "team_id": NORTH}),
        won("50"),
        receipt("30"),
    )
    return anywhere


def test_sales_and_receipts_are_each_held_against_their_own_target(told: Harness) -> None:
    told.deliver(*target("person", ANN, "100"), *target("person", ANN, "40", "receipts"))
    assert (total(told, "target"), total(told, "receipts_target")) == ("100.00", "40.00")
    assert (total(told, "completion"), total(told, "receipts_completion")) == (0.5, 0.75)
    (row,) = kpi(told, "receipts_completion", by="person")["rows"]
    assert (row["member"]["name"], row["value"]) == ("Ann", 0.75)
    facts = told.as_user().get("/v1/kpis/receipts_completion/facts", query_string=JANUARY).json
    amounts = {fact["kind"]: fact["components"] for fact in facts["items"]}
    assert amounts == {
        "receipts": {"received": "30.00"},
        "targets": {"target": "40.00"},
    }


def test_the_companys_target_stands_before_the_sum_of_the_teams(told: Harness) -> None:
    told.deliver(*target("team", NORTH, "100"), *target("team", NORTH, "60", "receipts"))
    assert (total(told, "target"), total(told, "receipts_target")) == ("100.00", "60.00")
    told.deliver(*target("company", None, "500"))
    assert (total(told, "target"), total(told, "receipts_target")) == ("500.00", "60.00")
    by_team = kpi(told, "target", by="team")
    assert [row["value"] for row in by_team["rows"]] == ["100.00"]
    assert by_team["total"]["value"] == "500.00"
    assert total(told, "completion") == 0.1


@pytest.mark.parametrize(("scope", "expected"), [("own", "7.00"), ("team", "100.00")])
def test_who_sees_a_part_sees_the_target_of_that_part(
    told: Harness, scope: Scope, expected: str
) -> None:
    told.deliver(*target("company", None, "500"), *target("team", NORTH, "100"))
    told.deliver(*target("person", ANN, "7"))
    ann = told.as_user({"reporting.kpis.read": scope}, team=NORTH, user_id=ANN)
    assert total(ann, "target") == expected


@pytest.mark.parametrize("seed", range(4))
def test_both_versions_of_an_event_are_one_target(anywhere: Harness, seed: int) -> None:
    id_ = new_id()
    events = [
        *target("person", ANN, "10", id_=id_, versions=(1,)),  # from before there was a second
        *target("person", ANN, "20", id_=id_, sequence=2),
        *target("person", ANN, "30", id_=id_, sequence=3),
    ]
    told = [*events, *events]
    Random(seed).shuffle(told)
    for each in told:
        anywhere.deliver(each)
    assert total(anywhere, "target") == "30.00"
    archive = Archive(anywhere.service.database, anywhere.service.settings.zone)
    assert list(archive.verify()) == []
    archive.rebuild()
    assert total(anywhere, "target") == "30.00"


def test_an_archive_from_before_the_second_version_is_rebuilt(anywhere: Harness) -> None:
    anywhere.deliver(*target("person", ANN, "10", versions=(1,)), won("5"))
    Archive(anywhere.service.database, anywhere.service.settings.zone).rebuild()
    assert (total(anywhere, "target"), total(anywhere, "completion")) == ("10.00", 0.5)
    assert total(anywhere, "receipts_target") == "0.00"


def test_turnaround_is_from_the_opening_of_a_request_to_its_last_delivery(
    anywhere: Harness,
) -> None:
    def request(verb: str, sequence: int, id_: str, **data: Any) -> Event:
        state = {"id": id_, "opened_on": "2026-01-03", "owner_id": ANN, "team_id": NORTH}
        state |= {"delivered_on": None, "seconds_to_delivery": None}
        if verb == "status_changed":
            data["change"] = {
                "from_status": "in_development",
                "to_status": "delivered",
                "seconds_in_status": 1,
            }
        return event(f"crm.sales.request.{verb}.v1", state | data, sequence=sequence)

    def delivered(id_: str, sequence: int, day: date, days: float) -> Event:
        done = {"delivered_on": day.isoformat(), "seconds_to_delivery": int(days * 86_400)}
        return request("status_changed", sequence, id_, status="delivered", **done)

    first, again, waiting = (new_id() for _ in range(3))
    anywhere.deliver(*(request("opened", 1, id_) for id_ in (first, again, waiting)))
    anywhere.deliver(delivered(again, 4, date(2026, 1, 20), 6.5))
    anywhere.deliver(
        delivered(first, 2, date(2026, 1, 5), 1.5),
        delivered(again, 2, date(2026, 1, 4), 1),
        request("status_changed", 3, again),
    )
    assert total(anywhere, "requests") == 3
    assert total(anywhere, "requests_turnaround") == 4.0
    rows = kpi(anywhere, "requests_turnaround", grain="day")["rows"]
    assert [(row["period"], row["value"]) for row in rows] == [
        ("2026-01-05", 1.5),
        ("2026-01-20", 6.5),
    ]
