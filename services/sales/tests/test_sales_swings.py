"""The causes of a swing add up to it, whatever the deals do."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from crm_chassis.database import new_id, utc_now
from crm_chassis.testing_harness import Harness, event
from crm_sales.boards.swings import GAINS, kinds, swings
from crm_sales.opportunities.moves import DealMove

DAYS = st.one_of(st.none(), st.dates(date(2026, 1, 1), date(2026, 3, 1)))


@dataclass(frozen=True)
class Place:
    team_id: str | None
    owner_id: str | None
    pipeline: str
    stage_order: int
    stage_type: str
    amount: Decimal
    currency: str
    expected_close_on: date | None

    def worth(self, teams: set[str]) -> tuple[str, Decimal]:
        counts = self.stage_type == "open" and self.team_id in teams
        return self.currency, self.amount if counts else Decimal(0)


class Moved:
    """A move from one place to another; from nowhere for a new deal."""

    def __init__(self, before: Place | None, after: Place) -> None:
        for name in Place.__dataclass_fields__:
            setattr(self, f"from_{name}", getattr(before, name, None))
            setattr(self, f"to_{name}", getattr(after, name))


places = st.builds(
    Place,
    team_id=st.sampled_from(["north", "coast", "south", None]),
    owner_id=st.sampled_from(["ann", "bo", None]),
    pipeline=st.sampled_from(["default", "renewals"]),
    stage_order=st.integers(1, 4),
    stage_type=st.sampled_from(["open", "open", "open", "won", "lost", "invalid"]),
    amount=st.decimals(-10, 10**6, places=4),
    currency=st.sampled_from(["EUR", "JPY"]),
    expected_close_on=DAYS,
)
ways = st.lists(st.lists(places, min_size=1, max_size=6), min_size=1, max_size=5)


@given(ways, st.sets(st.sampled_from(["north", "coast", "south"]), min_size=1))
def test_opening_and_causes_are_the_closing_pipeline(
    deals: list[list[Place]], teams: set[str]
) -> None:
    closing: dict[str, Decimal] = defaultdict(Decimal)
    summed: dict[str, Decimal] = defaultdict(Decimal)
    for way in deals:
        currency, worth = way[-1].worth(teams)
        closing[currency] += worth
        for before, after in zip([None, *way], way, strict=False):
            for swing in swings(Moved(before, after), teams):  # type: ignore[arg-type]
                sign = 1 if swing.cause in GAINS else -1
                summed[swing.currency] += sign * swing.amount
    assert {k: v for k, v in summed.items() if v} == {k: v for k, v in closing.items() if v}


@given(places, places)
def test_a_closed_deal_is_of_no_kind_but_its_end_or_its_return(before: Place, after: Place) -> None:
    found = kinds(Moved(before, after))  # type: ignore[arg-type]
    if before.stage_type == "open" != after.stage_type:
        assert found == [after.stage_type]
    if before.stage_type != "open":
        assert found == (["reopened"] if after.stage_type == "open" else [])
    assert not {"forward", "back"} <= set(found)


def test_a_week_closes_where_the_next_one_opens(anywhere: Harness) -> None:
    team, rep = new_id(), new_id()
    anywhere.deliver(event("crm.gateway.team.created.v1", {"id": team, "name": "north"}))
    caller = anywhere.as_user(team=team, user_id=rep)

    def change(deal: dict[str, Any], **changes: Any) -> None:
        path, headers = f"/v1/opportunities/{deal['id']}", {"If-Match": f'"{deal["version"]}"'}
        deal |= caller.patch(path, json=changes, headers=headers).json

    def board(day: date) -> dict[str, Any]:
        year, week, _ = day.isocalendar()
        query = {"team_id": team, "week": f"{year}-W{week:02}"}
        (pipeline,) = caller.get("/v1/team-board", query_string=query).json["pipelines"]
        return dict(pipeline)

    deal = {"name": "x", "amount": "100", "currency": "EUR"}
    first, second = (caller.post("/v1/opportunities", json=deal).json for _ in range(2))
    change(first, amount="130.50")
    with anywhere.service.database.transaction() as session:
        last_week = utc_now() - timedelta(days=7)
        session.execute(update(DealMove).values(moved_at=last_week))
    change(second, amount="80")
    caller.post(
        f"/v1/opportunities/{first['id']}/win",
        json={},
        headers={"If-Match": f'"{first["version"]}"'},
    )
    before, now = board(last_week.date()), board(utc_now().date())
    assert (before["opening"], before["closing"]) == ("0.00", "230.50")
    assert (before["causes"]["new"], before["causes"]["increased"]) == ("200.00", "30.50")
    assert (now["opening"], now["closing"]) == ("230.50", "80.00")
    assert (now["causes"]["won"], now["causes"]["decreased"]) == ("130.50", "20.00")
