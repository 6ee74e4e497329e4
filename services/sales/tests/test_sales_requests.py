"""What customers ask for: the way through three departments and how long it takes."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.problems import Problem
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.requests.models import MOVES, STATUSES, CustomerRequest, StatusChange


def account(sales: Harness, **owner: object) -> str:
    id_ = new_id()
    sales.deliver(event("crm.customer.account.created.v1", {"id": id_, "name": "北风", **owner}))
    return id_


def user(sales: Harness) -> str:
    id_ = new_id()
    sales.deliver(event("crm.gateway.user.created.v1", {"id": id_, "name": "李娜", "active": True}))
    return id_


def opened(sales: Harness, rep: Caller, **values: object) -> str:
    body = {"title": "导出到 XLSX", "account_id": account(sales), **values}
    response = rep.post("/v1/requests", json=body)
    assert response.status_code == 201, response.json
    return f"/v1/requests/{response.json['id']}"


def send(rep: Caller, method: str, path: str, body: dict, part: str = "") -> object:
    tag = {"If-Match": rep.get(path).headers["ETag"]}
    return rep.call(method, path + part, json=body, headers=tag)


def move(rep: Caller, path: str, status: str, **values: object) -> object:
    return send(rep, "PUT", path, {"status": status, **values}, "/status")


def test_a_request_goes_its_way_and_every_step_is_logged_and_told(sales: Harness) -> None:
    rep = sales.as_user()
    path = opened(sales, rep)
    assert problem_fields(move(rep, path, "evaluated")) == ["sales_value"]
    send(rep, "PATCH", path, {"sales_value": "12000", "currency": "CNY"})
    assert move(rep, path, "evaluated").status_code == 200
    assert problem_fields(move(rep, path, "planned")) == ["planned_delivery_on"]
    plan = {"development_owner_id": user(sales), "planned_delivery_on": "2030-01-31"}
    send(rep, "PATCH", path, plan, "/development")
    for status in ("planned", "in_development", "delivered", "in_development", "delivered"):
        assert move(rep, path, status).status_code == 200, status
    feedback = {"service_owner_id": user(sales), "feedback": "很好", "satisfaction": 5}
    send(rep, "PATCH", path, feedback, "/service")
    done = move(rep, path, "confirmed").json
    assert done["closed_on"] == done["delivered_on"] == done["started_on"]
    assert 0 <= done["seconds_to_delivery"] <= done["seconds_to_confirmation"] < 60
    log = [entry["to_status"] for entry in rep.get(f"{path}/log").json]
    assert log == [
        *("open", "evaluated", "planned", "in_development", "delivered"),
        *("in_development", "delivered", "confirmed"),
    ]
    told = [event.type.split(".")[3] for event in sales.published()]
    assert told.count("status_changed") == 6
    assert (told[0], told[-1]) == ("opened", "closed")
    assert sales.published()[-1].data["satisfaction"] == 5
    assert move(rep, path, "open").status_code == 409


def test_a_request_is_declined_with_a_reason_and_can_be_taken_up_again(sales: Harness) -> None:
    rep = sales.as_user()
    path = opened(sales, rep)
    assert problem_fields(move(rep, path, "declined")) == ["reason"]
    declined = move(rep, path, "declined", reason="不在路线图上").json
    assert declined["declined_reason"] == "不在路线图上"
    assert declined["seconds_to_confirmation"] is None
    again = move(rep, path, "open").json
    assert (again["declined_reason"], again["closed_on"]) == (None, None)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"account_id": new_id()}, "account_id"),
        ({"contact_id": new_id()}, "contact_id"),
        ({"opportunity_id": new_id()}, "opportunity_id"),
        ({"product_id": new_id()}, "product_id"),
        ({"sales_value": "1"}, "currency"),
        ({"sales_value": "-1", "currency": "CNY"}, "sales_value"),
        ({"status": "confirmed"}, "status"),
        ({"title": ""}, "title"),
    ],
)
def test_what_is_wrong_with_a_request_is_named(sales: Harness, values: dict, field: str) -> None:
    body = {"title": "x", "account_id": account(sales), **values}
    assert problem_fields(sales.as_user().post("/v1/requests", json=body)) == [field]


def test_a_schedule_does_not_end_before_it_starts(sales: Harness) -> None:
    rep = sales.as_user()
    path = opened(sales, rep)
    plan = {"planned_start_on": "2030-02-01", "planned_delivery_on": "2030-01-31"}
    assert problem_fields(send(rep, "PATCH", path, plan, "/development")) == ["planned_delivery_on"]


def test_the_owner_of_a_part_sees_the_request_and_others_do_not(sales: Harness) -> None:
    admin = sales.as_user()
    developer_id = user(sales)
    grants = {"sales.requests.*": "own"}
    developer = sales.as_user(grants, team=new_id(), user_id=developer_id)
    other = sales.as_user(grants, team=new_id())
    path = opened(sales, admin)
    assert developer.get(path).status_code == 404
    send(admin, "PATCH", path, {"development_owner_id": developer_id}, "/development")
    assert developer.get(path).status_code == 200
    plan = send(developer, "PATCH", path, {"planned_delivery_on": "2030-01-31"}, "/development")
    assert plan.status_code == 200
    assert [r["id"] for r in developer.get("/v1/requests").json["items"]] == [path[-36:]]
    assert other.get(path).status_code == 404
    assert other.get(f"{path}/log").status_code == 404
    assert other.get("/v1/requests").json["items"] == []
    assert path[-36:] not in other.get("/v1/exports/requests").get_data(as_text=True)


START = datetime(2026, 1, 1, tzinfo=UTC)


@given(st.lists(st.sampled_from(STATUSES), max_size=20))
@settings(max_examples=150, deadline=None)
def test_the_states_follow_one_another_and_time_adds_up(wanted: list[str]) -> None:
    request = CustomerRequest(
        status="open",
        status_since=START,
        opened_at=START,
        sales_value=1,
        planned_delivery_on=date(2026, 2, 1),
    )
    now, seconds = START, 0
    for status in wanted:
        before, now = request.status, now + timedelta(minutes=7)
        change = moved(request, status, now)
        assert (change is not None) == (status in MOVES[before])
        if change is None:
            assert request.status == before
            continue
        seconds += change.seconds
        assert seconds == (now - START).total_seconds()
        assert (request.closed_at is not None) == (status in ("confirmed", "declined"))
        if status in ("delivered", "confirmed"):
            assert request.seconds_to_delivery is not None
        if status == "confirmed":
            assert request.seconds_to_delivery < request.seconds_to_confirmation == seconds


def moved(request: CustomerRequest, status: str, now: datetime) -> StatusChange | None:
    try:
        return request.move(status, now, now.date(), "why")
    except Problem:
        return None
