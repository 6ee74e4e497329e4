"""The weekly review: which deals are picked, and what is asked about them."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update

from crm_chassis.database import new_id, utc_now
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.opportunities.models import Opportunity
from crm_sales.reviews.picking import Deal, Rules, medians, percentile, pick

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = NOW.date()
RULES = Rules(stuck_days=30, stuck_percent=200, big_percentile=90)


def open_deal(**values: object) -> Deal:
    usual = {
        "id": new_id(),
        "name": "x",
        "pipeline": "default",
        "stage": "proposal",
        "stage_since": NOW - timedelta(days=10),
        "amount": Decimal(100),
        "currency": "CNY",
        "expected_close_on": None,
        "previous_close_on": None,
        "owner_id": None,
        "team_id": None,
    }
    return Deal(**usual | values)


@pytest.mark.parametrize(
    ("values", "usual", "reasons"),
    [
        ({}, {}, None),
        ({"stage_since": NOW - timedelta(days=31)}, {}, ["stuck"]),
        ({}, {("default", "proposal"): timedelta(days=4)}, ["stuck"]),
        ({}, {("default", "proposal"): timedelta(days=5)}, None),
        ({}, {("other", "proposal"): timedelta(days=4)}, None),
        ({"expected_close_on": TODAY}, {}, None),
        ({"expected_close_on": TODAY - timedelta(days=1)}, {}, ["slipped"]),
        (
            {"expected_close_on": date(2026, 5, 2), "previous_close_on": date(2026, 5, 1)},
            {},
            ["slipped"],
        ),
        ({"expected_close_on": date(2026, 5, 1), "previous_close_on": date(2026, 5, 2)}, {}, None),
    ],
)
def test_a_deal_is_stuck_or_slipped(values: dict, usual: dict, reasons: list | None) -> None:
    picked = pick([open_deal(**values)], RULES, usual, NOW, TODAY)
    assert [why for _, why in picked] == ([reasons] if reasons else [])


def test_big_deals_are_those_above_the_percentile_in_their_currency() -> None:
    deals = [open_deal(amount=Decimal(n)) for n in range(1, 21)]
    deals += [open_deal(amount=Decimal(n), currency="USD") for n in range(1, 4)]
    picked = pick(deals, RULES, {}, NOW, TODAY)
    assert [(deal.amount, deal.currency) for deal, _ in picked] == [(20, "CNY"), (19, "CNY")]


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 99))
def test_the_percentile_is_not_exceeded_by_so_many(numbers: list[int], percent: int) -> None:
    amounts = [Decimal(number) for number in numbers]
    rank = percentile(amounts, percent)
    assert rank in amounts
    assert sum(a <= rank for a in amounts) * 100 >= percent * len(amounts)
    assert sum(a < rank for a in amounts) * 100 < percent * len(amounts)


def test_a_stage_that_is_seldom_left_has_no_median() -> None:
    often, seldom = ("default", "proposal"), ("default", "negotiation")
    log = [(often, 60), (often, 10), (often, 20), (often, 90), (often, 30), (seldom, 5)]
    assert medians(log) == {often: timedelta(seconds=30)}


TEAM = new_id()


@pytest.fixture
def manager(sales: Harness) -> Caller:
    return known(sales, None, TEAM)


def known(sales: Harness, rights: dict | None, team: str) -> Caller:
    """Somebody in a team, both of whom are known."""
    caller = sales.as_user(rights, team=team)
    sales.deliver(
        event("crm.gateway.team.created.v1", {"id": team, "name": "华东", "parent_id": None}),
        event(
            "crm.gateway.user.created.v1",
            {"id": caller.id, "name": "李娜", "team_id": team, "active": True},
        ),
    )
    return caller


def deal(rep: Caller, **values: object) -> str:
    body = {"name": "张伟", "amount": "100", "currency": "CNY", **values}
    response = rep.post("/v1/opportunities", json=body)
    assert response.status_code == 201, response.json
    return response.json["id"]


def review(rep: Caller, **values: object) -> dict:
    response = rep.post("/v1/reviews", json={"team_id": TEAM, **values})
    assert response.status_code == 201, response.json
    return response.json


def deals_of(rep: Caller, review_id: str) -> dict[str, dict]:
    deals = rep.get(f"/v1/reviews/{review_id}/deals").json["items"]
    return {each["opportunity_id"]: each for each in deals}


def test_a_review_keeps_its_deals_as_they_stood(sales: Harness, manager: Caller) -> None:
    late = deal(manager, expected_close_on="2026-01-01")
    old, fine = deal(manager), deal(manager)
    with sales.service.database.transaction() as session:
        long_ago = utc_now() - timedelta(days=40)
        session.execute(
            update(Opportunity).where(Opportunity.id == old).values(stage_since=long_ago)
        )
    opened = review(manager)
    found = deals_of(manager, opened["id"])
    assert {id_: each["reasons"] for id_, each in found.items()} == {
        late: ["slipped"],
        old: ["stuck"],
    }
    assert fine not in found
    assert found[old]["days_in_stage"] == 40
    tag = {"If-Match": '"1"'}
    manager.patch(f"/v1/opportunities/{late}", json={"amount": "900"}, headers=tag)
    assert deals_of(manager, opened["id"])[late]["amount"] == "100.00"
    told = [event.type for event in sales.published() if "review" in event.type]
    assert sorted(told) == ["crm.sales.review.opened.v1", *["crm.sales.review_deal.picked.v1"] * 2]


def test_a_deal_put_off_since_the_review_before_has_slipped(
    sales: Harness, manager: Caller
) -> None:
    today = utc_now().date()
    put_off = deal(manager, expected_close_on=str(today + timedelta(days=10)))
    before = review(manager, week=str(today - timedelta(days=7)))
    assert deals_of(manager, before["id"]) == {}
    later = str(today + timedelta(days=20))
    manager.patch(
        f"/v1/opportunities/{put_off}",
        json={"expected_close_on": later},
        headers={"If-Match": '"1"'},
    )
    found = deals_of(manager, review(manager)["id"])
    assert found[put_off]["reasons"] == ["slipped"]
    assert found[put_off]["previous_close_on"] == str(today + timedelta(days=10))


def test_a_week_has_one_review_of_a_team(sales: Harness, manager: Caller) -> None:
    opened = review(manager)
    assert date.fromisoformat(opened["week"]).weekday() == 0
    again = manager.post("/v1/reviews", json={"team_id": TEAM, "week": opened["week"]})
    assert again.status_code == 409
    unknown = manager.post("/v1/reviews", json={"team_id": new_id()})
    assert problem_fields(unknown) == ["team_id"]
    ahead = manager.post("/v1/reviews", json={"team_id": TEAM, "week": "2999-01-01"})
    assert problem_fields(ahead) == ["week"]
    path, tag = f"/v1/reviews/{opened['id']}/close", {"If-Match": '"1"'}
    assert manager.post(path, headers=tag).json["status"] == "closed"
    assert manager.post(path, headers={"If-Match": '"2"'}).status_code == 409


def test_a_question_is_asked_of_the_deals_owner_and_answered_once(
    sales: Harness, manager: Caller
) -> None:
    rights = {"sales.reviews.*": "team", "sales.opportunities.*": "own"}
    rep = known(sales, rights, TEAM)
    about = deal(rep, expected_close_on="2026-01-01")
    picked = deals_of(manager, review(manager)["id"])[about]
    path = f"/v1/review-deals/{picked['id']}"
    asked = manager.post(f"{path}/questions", json={"text": "谁签字？", "due_on": "2026-12-01"})
    assert asked.json["owner_id"] == rep.id
    (question,) = rep.get(f"/v1/review-questions?owner_id={rep.id}&status=open").json["items"]
    answer = f"/v1/review-questions/{question['id']}/answer"
    tag = {"If-Match": '"1"'}
    assert rep.put(answer, json={"answer": "财务总监"}, headers=tag).status_code == 200
    assert rep.put(answer, json={"answer": "x"}, headers={"If-Match": '"2"'}).status_code == 409
    discussed = manager.patch(path, json={"status": "discussed", "note": "好"}, headers=tag)
    assert discussed.json["status"] == "discussed"
    assert [e.type.split(".")[2:4] for e in sales.published()][-3:] == [
        ["question", "asked"],
        ["question", "answered"],
        ["review_deal", "changed"],
    ]
    body = {"related_type": "review_deal", "related_id": picked["id"], "text": "请跟进"}
    assert manager.post("/v1/comments", json=body).status_code == 201
    dropped = manager.post(f"{path}/questions", json={"text": "?", "owner_id": manager.id}).json
    drop = manager.post(f"/v1/review-questions/{dropped['id']}/drop", headers=tag)
    assert drop.json["status"] == "dropped"


def test_a_review_shows_only_what_its_reader_sees_anyway(sales: Harness, manager: Caller) -> None:
    rights = {"sales.reviews.*": "team", "sales.opportunities.*": "own", "sales.comments.*": "team"}
    rep, outsider = known(sales, rights, TEAM), known(sales, rights, new_id())
    deal(manager, expected_close_on="2026-01-01")
    mine = deal(rep, expected_close_on="2026-01-01")
    opened = review(manager)
    picked = deals_of(manager, opened["id"])
    assert len(picked) == 2
    assert set(deals_of(rep, opened["id"])) == {mine}
    (other,) = [each["id"] for id_, each in picked.items() if id_ != mine]
    assert rep.post(f"/v1/review-deals/{other}/questions", json={"text": "?"}).status_code == 404
    asked = manager.post(f"/v1/review-deals/{other}/questions", json={"text": "?"}).json
    assert rep.get("/v1/review-questions").json["items"] == []
    drop = f"/v1/review-questions/{asked['id']}/drop"
    assert rep.post(drop, headers={"If-Match": '"1"'}).status_code == 404
    comments = f"/v1/comments?related_type=review_deal&related_id={other}"
    assert rep.get(comments).status_code == 404
    assert outsider.get(f"/v1/reviews/{opened['id']}").status_code == 404
    assert outsider.get(f"/v1/reviews/{opened['id']}/deals").status_code == 404
    assert outsider.get("/v1/reviews").json["items"] == []
    refused = outsider.post("/v1/reviews", json={"team_id": TEAM, "week": "2026-01-01"})
    assert refused.status_code == 403
