"""Tasks: due once, reminded of once, seen by those who may."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from crm_chassis.database import new_id, utc_now
from crm_chassis.fields import instant_text
from crm_chassis.problems import Problem
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, problem_fields
from crm_sales.app import DEFINITION
from crm_sales.tasks.models import Task

DUE, REMINDED = "crm.sales.task.due.v1", "crm.sales.task.reminded.v1"


def scheduler(sales: Harness, **ahead: float) -> Scheduler:
    database, registry = sales.service.database, CollectorRegistry()
    return Scheduler("sales", database, DEFINITION.timers, (), registry, timedelta(**ahead))


def later(sales: Harness, **ahead: float) -> None:
    """Do what is due that much later."""
    clock = scheduler(sales, **ahead)
    while clock.step():
        pass


def in_hours(hours: float) -> str:
    return str(instant_text(utc_now() + timedelta(hours=hours)))


def given_to(rep: Caller, **values: object) -> str:
    body = {"title": "给王芳回电话", "due_at": in_hours(2), **values}
    response = rep.post("/v1/tasks", json=body)
    assert response.status_code == 201, response.json
    return f"/v1/tasks/{response.json['id']}"


def tagged(rep: Caller, path: str) -> dict:
    return {"If-Match": rep.get(path).headers["ETag"]}


def do(rep: Caller, path: str, what: str) -> int:
    return rep.post(f"{path}/{what}", headers=tagged(rep, path)).status_code


def test_an_open_task_is_due_once(anywhere: Harness) -> None:
    rep = anywhere.as_user()
    path = given_to(rep)
    later(anywhere, hours=1)
    assert anywhere.published(DUE) == []
    for hours in (3, 4, 5):
        later(anywhere, hours=hours)
    (told,) = anywhere.published(DUE)
    assert (told.subject, told.data["status"]) == (path[-36:], "open")


def test_schedulers_beside_each_other_tell_each_task_once(sales_on_postgres: Harness) -> None:
    sales = sales_on_postgres
    rep = sales.as_user()
    paths = [given_to(rep) for _ in range(30)]
    clocks = [scheduler(sales, hours=3) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda clock: [None for _ in iter(clock.step, False)], clocks))
    assert sorted(told.subject for told in sales.published(DUE)) == sorted(p[-36:] for p in paths)


def test_what_is_done_or_given_up_in_time_is_not_due(sales: Harness) -> None:
    rep = sales.as_user()
    assert do(rep, given_to(rep), "complete") == 200
    assert do(rep, given_to(rep), "cancel") == 200
    later(sales, hours=3)
    assert sales.published(DUE) == []


def test_a_task_put_off_is_due_anew_and_a_reopened_one_only_where_it_was_not(
    sales: Harness,
) -> None:
    rep = sales.as_user()
    path = given_to(rep)
    later(sales, hours=3)
    assert do(rep, path, "complete") == 200
    assert do(rep, path, "reopen") == 200
    later(sales, hours=3)
    assert len(sales.published(DUE)) == 1
    put_off = rep.patch(path, json={"due_at": in_hours(5)}, headers=tagged(rep, path))
    assert put_off.status_code == 200
    later(sales, hours=4)
    assert len(sales.published(DUE)) == 1
    later(sales, hours=6)
    assert len(sales.published(DUE)) == 2


def test_its_owner_is_reminded_once_and_ahead(sales: Harness) -> None:
    rep = sales.as_user()
    path = given_to(rep, remind_minutes=30)
    later(sales, minutes=80)
    assert sales.published(REMINDED) == []
    later(sales, minutes=100)
    later(sales, minutes=110)
    assert len(sales.published(REMINDED)) == 1
    assert rep.get(path).json["reminded_at"] is not None
    assert sales.published(DUE) == []


def test_a_day_to_be_done_on_ends_where_the_business_is(sales: Harness) -> None:
    task = sales.as_user().post("/v1/tasks", json={"title": "x", "due_on": "2030-02-28"}).json
    assert (task["due_on"], task["due_at"]) == ("2030-02-28", "2030-03-01T00:00:00Z")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({}, "due_at"),
        ({"due_at": "2030-01-01T00:00:00Z", "due_on": "2030-01-01"}, "due_on"),
        ({"due_at": "2030-01-01T00:00:00"}, "due_at"),
        ({"due_on": "2030-01-01", "title": "\x07"}, "title"),
        ({"due_on": "2030-01-01", "title": "x" * 201}, "title"),
        ({"due_on": "2030-01-01", "kind": "party"}, "kind"),
        ({"due_on": "2030-01-01", "related_type": "lead"}, "related_id"),
        ({"due_on": "2030-01-01", "related_type": "user", "related_id": new_id()}, "related_type"),
        ({"due_on": "2030-01-01", "related_type": "lead", "related_id": new_id()}, "related_id"),
        ({"due_on": "2030-01-01", "owner_id": new_id()}, "owner_id"),
        ({"due_on": "2030-01-01", "remind_minutes": 0}, "remind_minutes"),
        ({"due_on": "2030-01-01", "status": "done"}, "status"),
    ],
)
def test_what_is_wrong_with_a_task_is_named(sales: Harness, values: dict, field: str) -> None:
    response = sales.as_user().post("/v1/tasks", json={"title": "x", **values})
    assert problem_fields(response) == [field]


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_days_at_the_ends_of_the_calendar_are_no_fault(sales: Harness, day: str) -> None:
    body = {"title": "x", "due_on": day, "remind_minutes": 60}
    assert sales.as_user().post("/v1/tasks", json=body).status_code in (201, 422)


def test_tasks_are_listed_by_when_they_are_due_and_found_by_what_they_are_about(
    sales: Harness,
) -> None:
    rep = sales.as_user()
    lead = rep.post("/v1/leads", json={"name": "王小明"}).json["id"]
    about = {"related_type": "lead", "related_id": lead}
    for hours in (5, 1, 3):
        given_to(rep, title=str(hours), due_at=in_hours(hours), **about)
    given_to(rep, title="other")
    found = rep.get(f"/v1/tasks?related_id={lead}&owner_id={rep.id}&status=open").json["items"]
    assert [task["title"] for task in found] == ["1", "3", "5"]
    assert [task["title"] for task in rep.get("/v1/tasks?q=oth").json["items"]] == ["other"]


def test_others_tasks_are_not_there(sales: Harness) -> None:
    grants = {"sales.tasks.*": "own", "sales.leads.*": "own"}
    rep, other = sales.as_user(grants, team=new_id()), sales.as_user(grants, team=new_id())
    path = given_to(rep)
    tag = {"If-Match": '"1"'}
    assert other.get(path).status_code == 404
    assert other.get("/v1/tasks").json["items"] == []
    assert path[-36:] not in other.get("/v1/exports/tasks").get_data(as_text=True)
    assert other.patch(path, json={"title": "mine"}, headers=tag).status_code == 404
    assert other.post(f"{path}/complete", headers=tag).status_code == 404
    lead = rep.post("/v1/leads", json={"name": "王小明"}).json["id"]
    body = {"title": "x", "due_at": in_hours(1), "related_type": "lead", "related_id": lead}
    assert problem_fields(other.post("/v1/tasks", json=body)) == ["related_id"]
    assert rep.post("/v1/tasks", json={**body, "owner_id": other.id}).status_code in (403, 422)


def test_of_two_who_finish_a_task_at_once_one_does(sales_on_postgres: Harness) -> None:
    reps = [sales_on_postgres.as_user() for _ in range(8)]
    path = given_to(reps[0])
    tag = tagged(reps[0], path)
    with ThreadPoolExecutor(8) as pool:
        answers = pool.map(lambda rep: rep.post(f"{path}/complete", headers=tag), reps)
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert set(statuses[1:]) <= {409, 412}
    assert len(sales_on_postgres.published("crm.sales.task.completed.v1")) == 1


NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOVES: dict[str, Callable[[Task], None]] = {
    "complete": lambda task: task.complete(NOW),
    "cancel": Task.cancel,
    "reopen": Task.reopen,
}


def refusal(move: Callable[[], object]) -> int | None:
    try:
        move()
    except Problem as problem:
        return problem.status
    return None


@given(st.lists(st.sampled_from(sorted(MOVES)), max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_task_is_open_done_or_cancelled_and_nothing_between(moves: list[str]) -> None:
    task = Task(status="open", completed_at=None)
    for move in moves:
        before = task.status
        allowed = (move == "reopen") != (before == "open")
        assert refusal(partial(MOVES[move], task)) == (None if allowed else 409)
        assert (task.status != before) == allowed
        assert (task.completed_at is not None) == (task.status == "done")
