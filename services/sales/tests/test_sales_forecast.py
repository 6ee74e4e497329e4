"""Next steps, forecast categories, and the log of how a deal's forecast changed."""

import pytest

from crm_chassis.testing_harness import Harness, problem_fields

DEAL = {"name": "x", "amount": "10", "currency": "EUR"}


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


@pytest.mark.parametrize(
    ("stage", "category"),
    [
        ("prospecting", "pipeline"),
        ("qualification", "pipeline"),
        ("proposal", "best_case"),
        ("negotiation", "commit"),
    ],
)
def test_an_open_deals_category_follows_its_probability(
    sales: Harness, stage: str, category: str
) -> None:
    admin = sales.as_user()
    deal = admin.post("/v1/opportunities", json={**DEAL, "stage": stage}).json
    assert deal["forecast_category"] == category
    found = admin.get(f"/v1/opportunities?forecast_category={category}").json["items"]
    assert [other["id"] for other in found] == [deal["id"]]


def test_a_category_is_chosen_until_the_deal_closes(sales: Harness) -> None:
    admin = sales.as_user()
    deal = admin.post("/v1/opportunities", json=DEAL).json
    path = f"/v1/opportunities/{deal['id']}"

    def category(filtered_by: str) -> str:
        found = admin.get(f"/v1/opportunities?forecast_category={filtered_by}").json["items"]
        assert [other["id"] for other in found] == [deal["id"]]
        told = sales.published()[-1].data["forecast_category"]
        assert told == found[0]["forecast_category"]
        return str(told)

    chosen = admin.patch(path, json={"forecast_category": "commit"}, headers=tag(1))
    assert chosen.json["forecast_category"] == "commit"
    admin.put(f"{path}/stage", json={"stage": "proposal"}, headers=tag(2))
    assert category("commit") == "commit"
    admin.patch(path, json={"forecast_category": None}, headers=tag(3))
    assert category("best_case") == "best_case"
    admin.patch(path, json={"forecast_category": "omitted"}, headers=tag(4))
    assert category("omitted") == "omitted"
    admin.post(f"{path}/win", json={}, headers=tag(5))
    assert category("closed") == "closed"
    refused = admin.patch(path, json={"forecast_category": "commit"}, headers=tag(6))
    assert problem_fields(refused) == ["forecast_category"]
    admin.post(f"{path}/reopen", json={}, headers=tag(6))
    assert category("pipeline") == "pipeline"
    admin.post(f"{path}/lose", json={"reason": "x"}, headers=tag(7))
    assert category("omitted") == "omitted"
    closed = admin.post("/v1/opportunities", json={**DEAL, "forecast_category": "closed"})
    assert problem_fields(closed) == ["forecast_category"]


def test_every_change_of_a_forecast_is_logged_once(sales: Harness) -> None:
    admin = sales.as_user()
    path = f"/v1/opportunities/{admin.post('/v1/opportunities', json=DEAL).json['id']}"
    admin.patch(path, json={"expected_close_on": "2026-12-01"}, headers=tag(1))
    admin.patch(path, json={"name": "y"}, headers=tag(2))
    admin.patch(path, json={"amount": "20", "forecast_category": "commit"}, headers=tag(3))
    admin.put(f"{path}/stage", json={"stage": "proposal"}, headers=tag(4))
    admin.post(f"{path}/win", json={"amount": "15"}, headers=tag(5))
    log = admin.get(f"{path}/forecast-log").json
    assert [(line["from_category"], line["to_category"]) for line in log] == [
        ("pipeline", "pipeline"),
        ("pipeline", "commit"),
        ("commit", "commit"),
        ("commit", "closed"),
    ]
    assert [line["to_amount"] for line in log] == ["10.00", "20.00", "20.00", "15.00"]
    assert [line["from_probability"] for line in log] == [10, 10, 10, 50]
    assert (log[0]["from_expected_close_on"], log[0]["to_expected_close_on"]) == (
        None,
        "2026-12-01",
    )
    assert {line["actor"] for line in log} == {admin.id}


def test_next_steps_are_kept_found_and_told(sales: Harness) -> None:
    admin = sales.as_user()
    step = {"next_step": "Send the offer", "next_step_on": "2026-05-04"}
    deal = admin.post("/v1/opportunities", json={**DEAL, **step}).json
    assert {name: deal[name] for name in step} == step
    assert {name: sales.published()[-1].data[name] for name in step} == step
    due = "/v1/opportunities?next_step_on_to=2026-05-"
    assert len(admin.get(f"{due}04").json["items"]) == 1
    assert admin.get(f"{due}03").json["items"] == []
    long = admin.post("/v1/opportunities", json={**DEAL, "next_step": "x" * 201})
    assert problem_fields(long) == ["next_step"]
