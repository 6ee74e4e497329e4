"""Pipelines: added, arranged, and passed by deals."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

DEAL = {"name": "Renewal", "amount": "100", "currency": "EUR"}


def stage(key: str, type_: str = "open", **values: Any) -> dict[str, Any]:
    usual = {"probability": 40} if type_ == "open" else {}
    return {"key": key, "name": key.title(), "type": type_, **usual, **values}


STAGES = [stage("due"), stage("offered"), stage("renewed", "won"), stage("left", "lost")]


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def added(sales: Harness, stages: list[dict[str, Any]] = STAGES) -> tuple[Caller, dict[str, Any]]:
    admin = sales.as_user()
    response = admin.post(
        "/v1/pipelines", json={"key": "renewals", "name": "Renewals", "stages": stages}
    )
    assert response.status_code == 201, response.json
    return admin, response.json


def arranged(admin: Caller, pipeline: dict[str, Any], stages: list[dict[str, Any]]) -> Any:
    path = f"/v1/pipelines/{pipeline['key']}/stages"
    return admin.put(path, json={"stages": stages}, headers=tag(pipeline["version"]))


def test_a_new_installation_has_the_default_pipeline(sales: Harness) -> None:
    admin = sales.as_user()
    (pipeline,) = admin.get("/v1/pipelines").json["items"]
    assert (pipeline["key"], pipeline["is_default"]) == ("default", True)
    keys = ["prospecting", "qualification", "proposal", "negotiation", "won", "lost"]
    assert [stage["key"] for stage in pipeline["stages"]] == keys
    assert [stage["key"] for stage in admin.get("/v1/stages").json] == keys


def test_a_pipeline_is_added_with_its_stages_and_told(sales: Harness) -> None:
    admin, pipeline = added(sales)
    assert [s["position"] for s in pipeline["stages"]] == [1, 2, 3, 4]
    assert [s["probability"] for s in pipeline["stages"]] == [40, 40, 100, 0]
    (told,) = sales.published()
    assert told.type == "crm.sales.pipeline.created.v1"
    assert [s["key"] for s in told.data["stages"]] == ["due", "offered", "renewed", "left"]
    assert admin.get("/v1/pipelines/renewals").json == pipeline
    again = admin.post("/v1/pipelines", json={"key": "renewals", "name": "x", "stages": STAGES})
    assert again.status_code == 409


@pytest.mark.parametrize(
    ("stages", "field"),
    [
        ([stage("a"), stage("b", "won")], "stages"),
        ([stage("a"), stage("b", "won"), stage("c", "lost", active=False)], "stages"),
        ([*STAGES, stage("due")], "stages.0.key"),
        ([*STAGES, stage("x", "won", probability=90)], "stages.4.probability"),
        ([*STAGES, {"key": "x", "name": "X", "type": "open"}], "stages.4.probability"),
        ([*STAGES, stage("X!")], "stages.4.key"),
        ([*STAGES, stage("x", required_fields=["height"])], "stages.4.required_fields.0"),
        ([*STAGES, stage("x", "paused")], "stages.4.type"),
        ([], "stages"),
        ([stage(f"s{n}") for n in range(60)], "stages"),
    ],
)
def test_a_pipeline_that_no_deal_could_pass_is_refused(
    sales: Harness, stages: list[dict[str, Any]], field: str
) -> None:
    admin = sales.as_user()
    response = admin.post("/v1/pipelines", json={"key": "p", "name": "P", "stages": stages})
    assert response.status_code == 422
    assert field in problem_fields(response)
    assert sales.published() == []


def test_stages_are_added_renamed_reordered_and_removed_in_one_call(sales: Harness) -> None:
    admin, pipeline = added(sales)
    wanted = [
        stage("offered", name="Offer sent", probability=70),
        stage("new"),
        stage("renewed", "won"),
        stage("left", "lost"),
    ]
    response = arranged(admin, pipeline, wanted)
    assert response.headers["ETag"] == '"2"'
    found = [(s["key"], s["name"], s["position"]) for s in response.json["stages"]]
    assert found[:2] == [("offered", "Offer sent", 1), ("new", "New", 2)]
    assert len(found) == 4
    assert admin.get("/v1/pipelines/renewals/stages").json == response.json["stages"]
    assert sales.published()[-1].data["stages"][0]["name"] == "Offer sent"
    count = len(sales.published())
    unchanged = arranged(admin, response.json, wanted)
    assert unchanged.headers["ETag"] == '"2"'
    assert len(sales.published()) == count
    stale = arranged(admin, pipeline, wanted)
    assert stale.status_code == 412


def test_a_stage_with_deals_in_it_stays_and_keeps_its_type(sales: Harness) -> None:
    admin, pipeline = added(sales)
    deal = admin.post("/v1/opportunities", json={**DEAL, "pipeline": "renewals"}).json
    assert (deal["pipeline"], deal["stage"]) == ("renewals", "due")
    assert arranged(admin, pipeline, STAGES[1:]).status_code == 409
    retyped = [stage("due", "invalid"), *STAGES[1:]]
    assert arranged(admin, pipeline, retyped).status_code == 409
    idle = arranged(admin, pipeline, [stage("due", active=False), *STAGES[1:]])
    assert idle.status_code == 200, idle.json
    path = f"/v1/opportunities/{deal['id']}"
    moved = admin.put(f"{path}/stage", json={"stage": "offered"}, headers=tag(1))
    assert moved.json["stage"] == "offered"
    back = admin.put(f"{path}/stage", json={"stage": "due"}, headers=tag(2))
    assert problem_fields(back) == ["stage"]
    opened = admin.post("/v1/opportunities", json={**DEAL, "pipeline": "renewals"}).json
    assert opened["stage"] == "offered"


def test_one_pipeline_is_the_default_one(sales: Harness) -> None:
    admin, _ = added(sales)
    response = admin.patch("/v1/pipelines/renewals", json={"is_default": True}, headers=tag(1))
    assert response.json["is_default"] is True
    defaults = admin.get("/v1/pipelines?is_default=true").json["items"]
    assert [pipeline["key"] for pipeline in defaults] == ["renewals"]
    assert admin.post("/v1/opportunities", json=DEAL).json["pipeline"] == "renewals"
    told = [event.data["key"] for event in sales.published("crm.sales.pipeline.changed.v1")]
    assert sorted(told) == ["default", "renewals"]
    for change in ({"active": False}, {"is_default": False}):
        refused = admin.patch("/v1/pipelines/renewals", json=change, headers=tag(2))
        assert refused.status_code == 422, change


def test_no_deal_comes_into_a_pipeline_out_of_use(sales: Harness) -> None:
    admin, _ = added(sales)
    admin.patch("/v1/pipelines/renewals", json={"active": False}, headers=tag(1))
    opened = admin.post("/v1/opportunities", json={**DEAL, "pipeline": "renewals"})
    assert problem_fields(opened) == ["pipeline"]
    deal = admin.post("/v1/opportunities", json=DEAL).json
    moved = admin.put(
        f"/v1/opportunities/{deal['id']}/stage",
        json={"stage": "due", "pipeline": "renewals"},
        headers=tag(1),
    )
    assert problem_fields(moved) == ["pipeline"]


def test_a_deal_moves_to_another_pipeline(sales: Harness) -> None:
    admin, _ = added(sales)
    deal = admin.post("/v1/opportunities", json=DEAL).json
    path = f"/v1/opportunities/{deal['id']}"
    move = {"stage": "offered", "pipeline": "renewals"}
    moved = admin.put(f"{path}/stage", json=move, headers=tag(1)).json
    assert (moved["pipeline"], moved["stage"], moved["probability"]) == ("renewals", "offered", 40)
    change = sales.published()[-1].data["change"]
    assert (change["from_pipeline"], change["from_stage"]) == ("default", "prospecting")
    log = admin.get(f"{path}/stage-log").json
    assert [(line["pipeline"], line["to_stage"]) for line in log] == [
        ("default", "prospecting"),
        ("renewals", "offered"),
    ]
    won = admin.post(f"{path}/win", json={}, headers=tag(2)).json
    assert won["stage"] == "renewed"


def test_a_stage_lets_in_only_deals_with_its_required_fields(sales: Harness) -> None:
    required = ["amount", "contact_id", "expected_close_on", "next_step", "product", "competitors"]
    stages = [
        stage("due"),
        stage("offered", required_fields=required),
        stage("renewed", "won", required_fields=["expected_close_on"]),
        stage("left", "lost"),
    ]
    admin, _ = added(sales, stages)
    values = {"name": "x", "amount": "0", "currency": "EUR", "pipeline": "renewals"}
    assert admin.post("/v1/opportunities", json={**values, "stage": "offered"}).status_code == 422
    deal = admin.post("/v1/opportunities", json=values).json
    path = f"/v1/opportunities/{deal['id']}"
    refused = admin.put(f"{path}/stage", json={"stage": "offered"}, headers=tag(1))
    assert problem_fields(refused) == sorted(required)
    assert problem_fields(admin.post(f"{path}/win", json={}, headers=tag(1))) == [
        "expected_close_on"
    ]
    assert admin.get(path).json["version"] == 1
    product = admin.post(
        "/v1/products", json={"name": "GTX", "list_price": "5", "currency": "EUR"}
    ).json
    competitor = admin.post("/v1/competitors", json={"name": "Globex"}).json
    contact = event("crm.customer.contact.created.v1", {"id": new_id()})
    sales.deliver(contact)
    filled = {
        "amount": "5",
        "contact_id": contact.subject,
        "product_id": product["id"],
        "expected_close_on": "2026-12-01",
        "next_step": "Call",
    }
    admin.patch(path, json=filled, headers=tag(1))
    admin.put(
        f"{path}/competitors",
        json={"competitors": [{"competitor_id": competitor["id"]}]},
        headers=tag(2),
    )
    moved = admin.put(f"{path}/stage", json={"stage": "offered"}, headers=tag(3))
    assert moved.status_code == 200, moved.json


def test_pipelines_are_read_and_changed_by_right(sales: Harness) -> None:
    reader = sales.as_user({"sales.pipelines.read": "all"})
    assert reader.get("/v1/pipelines/default").status_code == 200
    assert reader.get("/v1/pipelines/nowhere").status_code == 404
    new = {"key": "p", "name": "P", "stages": STAGES}
    assert reader.post("/v1/pipelines", json=new).status_code == 403
    outsider = sales.as_user({})
    for path in ("/v1/pipelines", "/v1/pipelines/default", "/v1/pipelines/default/stages"):
        assert outsider.get(path).status_code == 403


KEYS = [f"s{number}" for number in range(6)]


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(orders=st.lists(st.lists(st.sampled_from(KEYS), unique=True, max_size=6), max_size=4))
def test_after_any_rearrangement_the_stages_are_those_that_were_said(
    sales: Harness, orders: list[list[str]]
) -> None:
    admin = sales.as_user()
    ends = [stage("first"), stage("won", "won"), stage("lost", "lost")]
    key = f"p{len(admin.get('/v1/pipelines?limit=200').json['items'])}"
    new = {"key": key, "name": "P", "stages": ends}
    pipeline = admin.post("/v1/pipelines", json=new).json
    for order in orders:
        wanted = [*(stage(name) for name in order), *ends]
        response = arranged(admin, pipeline, wanted)
        assert response.status_code == 200, response.json
        pipeline = admin.get(f"/v1/pipelines/{key}").json
        found = [(s["key"], s["position"]) for s in pipeline["stages"]]
        assert found == [(s["key"], place) for place, s in enumerate(wanted, 1)]
