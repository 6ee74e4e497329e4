"""One change of many deals."""

import threading
from collections import Counter
from typing import Any

from sqlalchemy import event as database_event

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

DEAL = {"name": "x", "amount": "10", "currency": "EUR"}
STAGES = ("prospecting", "qualification", "negotiation")


def opened(caller: Caller, count: int, **values: Any) -> list[dict[str, Any]]:
    new = [
        {**DEAL, "stage": STAGES[number % len(STAGES)], **values, "name": f"deal {number}"}
        for number in range(count)
    ]
    return [caller.post("/v1/opportunities", json=deal).json for deal in new]


def changed(caller: Caller, deals: list[dict[str, Any]], **changes: Any) -> Any:
    items = [{"id": deal["id"]} for deal in deals]
    return caller.post("/v1/opportunities/bulk", json={"items": items, **changes})


def colleague(sales: Harness, team: str | None = None) -> str:
    user = new_id()
    sales.deliver(
        event(
            "crm.gateway.user.created.v1", {"id": user, "name": "Li", "team_id": team or new_id()}
        )
    )
    return user


def test_many_deals_get_an_owner_and_a_stage_at_once(anywhere: Harness) -> None:
    admin = anywhere.as_user()
    deals = opened(admin, 6)
    team = new_id()
    user = colleague(anywhere, team)
    response = changed(admin, deals, owner_id=user, stage="negotiation")
    assert response.status_code == 200, response.json
    assert (response.json["changed"], response.json["refused"]) == (6, 0)
    assert [result["id"] for result in response.json["results"]] == [deal["id"] for deal in deals]
    assert {result["version"] for result in response.json["results"]} == {2}
    found = admin.get("/v1/opportunities").json["items"]
    assert {(d["owner_id"], d["team_id"], d["stage"]) for d in found} == {
        (user, team, "negotiation")
    }
    told = Counter(event.type.split(".")[3] for event in anywhere.published()[6:])
    assert told == {"stage_changed": 4, "changed": 2}
    log = admin.get(f"/v1/opportunities/{deals[0]['id']}/stage-log").json
    assert [line["to_stage"] for line in log] == ["prospecting", "negotiation"]
    again = changed(admin, deals, owner_id=user, stage="negotiation").json
    assert (again["changed"], again["unchanged"]) == (0, 6)


def test_each_deal_is_changed_or_refused_with_its_reason(sales: Harness) -> None:
    team, other = new_id(), new_id()
    mine = sales.as_user({"sales.opportunities.*": "team"}, team=team)
    theirs = sales.as_user({"sales.opportunities.*": "team"}, team=other)
    fine, closed, stale = opened(mine, 3, stage="prospecting")
    (hidden,) = opened(theirs, 1)
    path = f"/v1/opportunities/{closed['id']}"
    mine.post(f"{path}/win", json={}, headers={"If-Match": '"1"'})
    missing = new_id()
    items = [
        {"id": fine["id"], "version": 1},
        {"id": closed["id"]},
        {"id": stale["id"], "version": 7},
        {"id": hidden["id"]},
        {"id": missing},
    ]
    body = {"items": items, "stage": "proposal", "owner_id": mine.id}
    response = mine.post("/v1/opportunities/bulk", json=body)
    outcomes = [
        (result["outcome"], result["refusal"] and result["refusal"]["status"])
        for result in response.json["results"]
    ]
    assert outcomes == [
        ("changed", None),
        ("refused", 409),
        ("refused", 412),
        ("refused", 404),
        ("refused", 404),
    ]
    details = [result["refusal"]["detail"] for result in response.json["results"][3:]]
    assert details[0] == details[1]
    assert sales.as_user().get(f"/v1/opportunities/{hidden['id']}").json["version"] == 1
    assert len(sales.published("crm.sales.opportunity.stage_changed.v1")) == 1


def test_a_deal_that_may_not_enter_the_stage_keeps_its_owner_too(sales: Harness) -> None:
    admin = sales.as_user()
    (deal,) = opened(admin, 1)
    stages = [
        {**stage, "required_fields": ["contact_id"] if stage["key"] == "proposal" else []}
        for stage in admin.get("/v1/pipelines/default").json["stages"]
    ]
    for stage in stages:
        del stage["pipeline"], stage["position"]
    path, tag = "/v1/pipelines/default/stages", {"If-Match": '"1"'}
    assert admin.put(path, json={"stages": stages}, headers=tag).status_code == 200
    response = changed(admin, [deal], stage="proposal", owner_id=colleague(sales))
    (result,) = response.json["results"]
    assert [error["field"] for error in result["refusal"]["errors"]] == ["contact_id"]
    assert result["version"] is None
    now = admin.get(f"/v1/opportunities/{deal['id']}").json
    assert (now["version"], now["owner_id"]) == (1, admin.id)
    for stage in ("won", "nowhere"):
        (result,) = changed(admin, [deal], stage=stage).json["results"]
        assert result["outcome"] == "refused"


def test_deals_are_given_only_to_somebody_in_reach(sales: Harness) -> None:
    rep = sales.as_user({"sales.opportunities.*": "team"}, team=new_id())
    deals = opened(rep, 2)
    assert changed(rep, deals, owner_id=colleague(sales)).status_code == 403
    assert problem_fields(changed(rep, deals, owner_id=new_id())) == ["owner_id"]
    reader = sales.as_user({"sales.opportunities.read": "all"})
    assert changed(reader, deals, stage="proposal").status_code == 403
    assert len(sales.published()) == 2


def test_hostile_bulk_requests_are_named_problems(sales: Harness) -> None:
    admin = sales.as_user()
    id_ = new_id()
    for body, field in (
        ({"items": [], "stage": "x"}, "items"),
        ({"items": [{"id": new_id()} for _ in range(1001)], "stage": "x"}, "items"),
        ({"items": [{"id": id_}]}, "body"),
        ({"items": [{"id": "1"}], "stage": "x"}, "items.0.id"),
        ({"items": [{"id": id_}, {"id": id_}], "stage": "x"}, "items.0.id"),
        ({"items": [{"id": id_, "version": "1"}], "stage": "x"}, "items.0.version"),
        ({"items": [{"id": id_}], "stage": "x", "name": "y"}, "name"),
    ):
        response = admin.post("/v1/opportunities/bulk", json=body)
        assert response.status_code == 422, body
        assert field in problem_fields(response)


def statements(sales: Harness, work: Any) -> int:
    """How many statements a piece of work sends to the database."""
    seen: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    engine = sales.service.database.engine
    database_event.listen(engine, "before_cursor_execute", count)
    try:
        work()
    finally:
        database_event.remove(engine, "before_cursor_execute", count)
    return len(seen)


def test_a_thousand_deals_take_hardly_more_statements_than_ten(anywhere: Harness) -> None:
    admin = anywhere.as_user()
    deals = opened(admin, 300)
    user = colleague(anywhere)
    few = statements(anywhere, lambda: changed(admin, deals[:10], owner_id=user, stage="proposal"))
    many = statements(anywhere, lambda: changed(admin, deals[10:], owner_id=user, stage="proposal"))
    assert many <= few + 8, (few, many)


def test_two_bulk_changes_at_once_follow_one_another(sales_on_postgres: Harness) -> None:
    sales = sales_on_postgres
    admin = sales.as_user()
    deals = opened(admin, 60, stage="prospecting")
    barrier = threading.Barrier(2)
    answers = {}

    def move(stage: str, ordered: list[dict[str, Any]]) -> None:
        items = [{"id": deal["id"], "version": 1} for deal in ordered]
        caller = sales.as_user()
        barrier.wait()
        body = {"items": items, "stage": stage}
        answers[stage] = caller.post("/v1/opportunities/bulk", json=body)

    threads = [
        threading.Thread(target=move, args=("proposal", deals)),
        threading.Thread(target=move, args=("negotiation", deals[::-1])),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {answer.status_code for answer in answers.values()} == {200}
    counts = {stage: answer.json["changed"] for stage, answer in answers.items()}
    assert sorted(counts.values()) == [0, 60], counts
    winner = max(counts, key=lambda stage: counts[stage])
    found = admin.get("/v1/opportunities?limit=200").json["items"]
    assert {(deal["stage"], deal["version"]) for deal in found} == {(winner, 2)}
    assert len(sales.published("crm.sales.opportunity.stage_changed.v1")) == 60


def test_no_deal_is_left_in_a_stage_that_went(sales_on_postgres: Harness) -> None:
    sales = sales_on_postgres
    admin = sales.as_user()
    deals = opened(admin, 12, stage="prospecting")
    stages = admin.get("/v1/pipelines/default").json["stages"]
    for stage in stages:
        del stage["pipeline"], stage["position"]
    kept = [stage for stage in stages if stage["key"] != "proposal"]
    barrier = threading.Barrier(2)
    answers: dict[str, Any] = {}

    def move() -> None:
        caller = sales.as_user()
        barrier.wait()
        answers["move"] = changed(caller, deals, stage="proposal")

    def remove() -> None:
        caller = sales.as_user()
        barrier.wait()
        path = "/v1/pipelines/default/stages"
        answers["remove"] = caller.put(path, json={"stages": kept}, headers={"If-Match": '"1"'})

    threads = [threading.Thread(target=move), threading.Thread(target=remove)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    there = {stage["key"] for stage in admin.get("/v1/pipelines/default/stages").json}
    in_stages = {deal["stage"] for deal in admin.get("/v1/opportunities").json["items"]}
    assert in_stages <= there
    assert answers["remove"].status_code == (409 if "proposal" in in_stages else 200)
