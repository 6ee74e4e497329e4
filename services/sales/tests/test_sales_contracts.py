"""A contract: approved link by link, activated, told of before its end, and ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from crm_chassis.database import new_id, utc_now
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import create_app
from crm_sales.contracts.timers import TIMERS

TODAY = utc_now().date()
TEAM, UPPER_TEAM = new_id(), new_id()


def days(number: int) -> str:
    return (TODAY + timedelta(days=number)).isoformat()


@pytest.fixture
def people(sales: Harness) -> dict[str, Caller]:
    """A salesperson, the head of the team, the director above, and somebody elsewhere."""
    return make_people(sales)


def make_people(sales: Harness) -> dict[str, Caller]:
    teams = [
        event("crm.gateway.team.created.v1", {"id": key, "parent_id": parent})
        for key, parent in ((UPPER_TEAM, None), (TEAM, UPPER_TEAM))
    ]
    sales.deliver(*teams)
    found = {}
    for name, team in (
        ("rep", TEAM),
        ("head", TEAM),
        ("director", UPPER_TEAM),
        ("elsewhere", None),
    ):
        grants: Any = {"sales.contracts.*": "own" if name != "rep" else "all"}
        found[name] = sales.as_user(grants, team)
        told = {"id": found[name].id, "team_id": team, "active": True}
        sales.deliver(event("crm.gateway.user.created.v1", told))
    return found


def rule_for(sales: Harness, who: Caller, amount_from: str, position: int, **more: Any) -> None:
    rule = {"approver_id": who.id, "amount_from": amount_from, "position": position} | more
    answer = sales.as_user().post("/v1/approval-rules", json=rule)
    assert answer.status_code == 201, answer.json


def draft(who: Caller, **values: Any) -> dict[str, Any]:
    usual = {
        "title": "维护合同",
        "amount": "48000.00",
        "currency": "CNY",
        "starts_on": days(0),
        "ends_on": days(30),
    }
    answer = who.post("/v1/contracts", json=usual | values)
    assert answer.status_code == 201, answer.json
    return answer.json


def act(who: Caller, contract: dict[str, Any], what: str, **body: Any) -> Any:
    headers = {"If-Match": f'"{contract["version"]}"'}
    return who.post(f"/v1/contracts/{contract['id']}/{what}", headers=headers, json=body)


def done(who: Caller, contract: dict[str, Any], what: str, **body: Any) -> dict[str, Any]:
    answer = act(who, contract, what, **body)
    assert answer.status_code == 200, answer.json
    return answer.json


def on_day(sales: Harness, number: int) -> None:
    """Let the scheduler's clock show so many days from now."""
    ahead = Scheduler(
        "sales",
        sales.service.database,
        TIMERS,
        (),
        CollectorRegistry(),
        timedelta(days=number),
    )
    while ahead.step():
        pass


def stored(sales: Harness, contract: dict[str, Any]) -> dict[str, Any]:
    return sales.as_user().get(f"/v1/contracts/{contract['id']}").json


def told(sales: Harness, verb: str) -> int:
    return len(sales.published(f"crm.sales.contract.{verb}.v1"))


def test_the_chain_is_asked_one_after_the_other(sales: Harness, people: dict[str, Caller]) -> None:
    rep, head, director = people["rep"], people["head"], people["director"]
    rule_for(sales, head, "10000.00", 1, team_id=TEAM)
    rule_for(sales, director, "40000.00", 2, team_id=UPPER_TEAM)
    rule_for(sales, people["elsewhere"], "50000.00", 3)
    rule_for(sales, people["elsewhere"], "0.00", 4, currency="EUR")
    contract = done(rep, draft(rep), "submit")
    assert contract["status"] == "in_review"
    assert [each["approver_id"] for each in contract["approvals"]] == [head.id, director.id]
    assert act(director, contract, "approve").status_code == 403
    assert act(people["elsewhere"], contract, "approve").status_code == 404
    contract = done(head, contract, "approve", comment="好")
    assert contract["status"] == "in_review"
    contract = done(director, contract, "approve")
    assert (contract["status"], contract["approved_on"]) == ("approved", TODAY.isoformat())
    assert told(sales, "approved") == 1


def test_without_a_rule_nobody_is_asked(sales: Harness, people: dict[str, Caller]) -> None:
    rule_for(sales, people["head"], "48000.01", 1)
    contract = done(people["rep"], draft(people["rep"]), "submit")
    assert (contract["status"], contract["approvals"]) == ("approved", [])


def test_a_refusal_ends_it_and_drops_who_was_not_asked_yet(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rule_for(sales, people["head"], "0.00", 1)
    rule_for(sales, people["director"], "0.00", 2)
    contract = done(people["rep"], draft(people["rep"]), "submit")
    answer = act(people["head"], contract, "reject")
    assert (answer.status_code, problem_fields(answer)) == (422, ["reason"])
    contract = done(people["head"], contract, "reject", reason="期限太长")
    assert (contract["status"], contract["end_reason"]) == ("rejected", "期限太长")
    assert [each["decision"] for each in contract["approvals"]] == ["rejected", "dropped"]
    assert act(people["director"], contract, "approve").status_code == 409


def test_it_is_passed_on_to_somebody_who_is_there(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rep, head, other = people["rep"], people["head"], people["elsewhere"]
    rule_for(sales, head, "0.00", 1)
    contract = done(rep, draft(rep), "submit")
    answer = act(head, contract, "delegate", approver_id=new_id())
    assert (answer.status_code, problem_fields(answer)) == (422, ["approver_id"])
    assert act(rep, contract, "delegate", approver_id=other.id).status_code == 403
    contract = done(head, contract, "delegate", approver_id=other.id, reason="出差")
    assert contract["approvals"][0]["delegated_by"] == head.id
    assert act(head, contract, "approve").status_code in (403, 404)
    assert other.get("/v1/contracts?awaiting_my_approval=true").json["items"][0]["id"]
    assert done(other, contract, "approve")["status"] == "approved"
    assert other.get("/v1/contracts?awaiting_my_approval=true").json["items"] == []


def test_nobody_approves_what_they_submitted(sales: Harness, people: dict[str, Caller]) -> None:
    rep, head = people["rep"], people["head"]
    rule_for(sales, rep, "0.00", 1)
    contract = done(rep, draft(rep), "submit")
    assert act(rep, contract, "approve").status_code == 409
    contract = done(rep, contract, "delegate", approver_id=head.id)
    assert done(head, contract, "approve")["status"] == "approved"


def test_what_is_in_review_can_be_withdrawn_and_not_be_changed(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rep = people["rep"]
    rule_for(sales, people["head"], "0.00", 1)
    contract = done(rep, draft(rep), "submit")
    headers = {"If-Match": f'"{contract["version"]}"'}
    path = f"/v1/contracts/{contract['id']}"
    assert rep.patch(path, json={"amount": "1.00"}, headers=headers).status_code == 409
    contract = done(rep, contract, "withdraw")
    assert contract["status"] == "withdrawn"
    assert act(people["head"], contract, "approve").status_code == 409


def test_its_term_runs_by_itself_and_each_step_is_told_once(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rep = people["rep"]
    contract = done(rep, draft(rep, starts_on=days(10), ends_on=days(40)), "submit")
    seen = []
    for number in (9, 10, 11, 36, 37, 38, 40, 41, 42):
        on_day(sales, number)
        on_day(sales, number)
        now = [stored(sales, contract)["status"], told(sales, "expiring")]
        seen.append((number, *now))
    assert seen == [
        (9, "approved", 0),
        (10, "active", 0),
        (11, "active", 0),
        (36, "active", 0),
        (37, "active", 1),
        (38, "active", 1),
        (40, "active", 1),
        (41, "expired", 1),
        (42, "expired", 1),
    ]
    assert (told(sales, "activated"), told(sales, "expired")) == (1, 1)


def test_a_longer_reminder_counts_for_running_contracts(
    sales: Harness, people: dict[str, Caller]
) -> None:
    done(people["rep"], draft(people["rep"]), "submit")
    on_day(sales, 0)
    on_day(sales, 20)
    assert told(sales, "expiring") == 0
    admin = sales.as_user()
    settings = admin.get("/v1/settings/contracts")
    assert settings.json["reminder_days"] == 3
    etag = {"If-Match": settings.headers["ETag"]}
    changed = admin.put("/v1/settings/contracts", json={"reminder_days": 14}, headers=etag)
    assert (changed.status_code, changed.json["reminder_days"]) == (200, 14)
    stale = admin.put("/v1/settings/contracts", json={"reminder_days": 1}, headers=etag)
    assert stale.status_code == 412
    on_day(sales, 20)
    assert told(sales, "expiring") == 1


def test_a_longer_reminder_is_set_for_many_contracts_a_few_at_a_time(
    anywhere: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_sales.contracts.timers._PIECE", 2)
    rep = make_people(anywhere)["rep"]
    contracts = [done(rep, draft(rep), "submit")["id"] for _ in range(5)]
    on_day(anywhere, 0)
    admin, etag = anywhere.as_user(), {"If-Match": '"1"'}
    assert admin.put("/v1/settings/contracts", json={"reminder_days": 14}, headers=etag).json
    on_day(anywhere, 20)
    expiring = anywhere.published("crm.sales.contract.expiring.v1")
    assert sorted(each.subject for each in expiring) == sorted(contracts)


def test_a_void_contract_ends_and_no_timer_touches_it(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rep = people["rep"]
    contract = done(rep, done(rep, draft(rep), "submit"), "activate")
    contract = done(rep, contract, "void", reason="破产")
    assert (contract["status"], contract["ended_on"]) == ("void", TODAY.isoformat())
    on_day(sales, 60)
    assert stored(sales, contract)["status"] == "void"
    assert (told(sales, "expiring"), told(sales, "expired")) == (0, 0)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"ends_on": days(-1)}, "ends_on"),
        ({"amount": "-1.00"}, "amount"),
        ({"currency": "yuan"}, "currency"),
        ({"title": ""}, "title"),
        ({"account_id": new_id()}, "account_id"),
        ({"quote_id": new_id()}, "quote_id"),
        ({"owner_id": new_id()}, "owner_id"),
        ({"starts_on": "soon"}, "starts_on"),
        ({"status": "active"}, "status"),
    ],
)
def test_what_is_wrong_is_named(sales: Harness, values: dict[str, Any], field: str) -> None:
    usual = {
        "title": "x",
        "amount": "1",
        "currency": "CNY",
        "starts_on": days(0),
        "ends_on": days(1),
    }
    answer = sales.as_user().post("/v1/contracts", json=usual | values)
    assert (answer.status_code, problem_fields(answer)) == (422, [field])


def test_only_those_in_scope_and_those_asked_see_it(
    sales: Harness, people: dict[str, Caller]
) -> None:
    rep, head, other = people["rep"], people["head"], people["elsewhere"]
    rule_for(sales, head, "0.00", 1)
    contract = draft(rep)
    path = f"/v1/contracts/{contract['id']}"
    assert head.get(path).status_code == other.get(path).status_code == 404
    contract = done(rep, contract, "submit")
    assert head.get(path).status_code == 200
    assert head.get("/v1/contracts").json["items"][0]["id"] == contract["id"]
    assert other.get(path).status_code == 404
    assert contract["id"] not in other.get("/v1/exports/contracts").get_data(as_text=True)
    headers = {"If-Match": f'"{contract["version"]}"'}
    assert head.patch(path, json={"title": "mine"}, headers=headers).status_code == 404


def test_a_file_brings_contracts_as_they_stand(sales: Harness) -> None:
    admin = sales.as_user()
    account = event("crm.customer.account.created.v1", {"id": new_id(), "name": "Łódź Sp."})
    sales.deliver(account)
    lines = [
        "external_id,title,account,amount,currency,starts_on,ends_on,status",
        f"C1,A,Łódź Sp.,100.00,EUR,{days(-30)},{days(2)},active",
        f"C2,B,Łódź Sp.,100.00,EUR,{days(-30)},{days(-2)},active",
        f"C3,C,Nobody,100.00,EUR,{days(-30)},{days(2)},active",
        f"C4,D,Łódź Sp.,100.00,EUR,{days(2)},{days(-2)},draft",
        "C5,E,Łódź Sp.,100.00,EUR,,,draft",
    ]
    for expected in ({"created": 2, "changed": 0}, {"created": 0, "changed": 0}):
        job = imported(sales, admin, "\n".join(lines))
        assert (job["failed"], {name: job[name] for name in expected}) == (3, expected)
    on_day(sales, 0)
    rows = {each["external_id"]: each for each in admin.get("/v1/contracts").json["items"]}
    assert {key: row["status"] for key, row in rows.items()} == {"C1": "active", "C2": "expired"}
    assert rows["C1"]["account_id"] == account.subject
    assert len({row["number"] for row in rows.values()}) == 2
    assert told(sales, "expiring") == 1


def imported(sales: Harness, who: Caller, text: str) -> dict[str, Any]:
    header = text.split("\n", 1)[0].split(",")
    columns = {name: name for name in header}
    job = who.post(
        "/v1/imports", json={"resource": "contracts", "filename": "c.csv", "columns": columns}
    ).json
    content = {"data": text.encode(), "headers": {"Content-Type": "text/csv"}}
    assert who.put(f"/v1/imports/{job['id']}/content", **content).status_code == 202
    from crm_chassis.imports.runner import ImportRunner
    from crm_sales.contracts.api import IMPORTER

    runner = ImportRunner("sales", sales.service.database, [IMPORTER])
    while runner.step():
        pass
    return who.get(f"/v1/imports/{job['id']}").json


def test_of_two_approvals_at_once_one_wins(postgres: Any, tmp_path: Path) -> None:
    sales = Harness(create_app, "sales", tmp_path, postgres.create_database("contracts"))
    try:
        people = make_people(sales)
        rule_for(sales, people["head"], "0.00", 1)
        contract = done(people["rep"], draft(people["rep"]), "submit")
        answers = at_once(8, lambda: act(people["head"], contract, "approve").status_code)
        assert sorted(answers) == [200] + [412] * 7
        assert told(sales, "approved") == 1
    finally:
        sales.close()


def at_once(times: int, call: Callable[[], int]) -> list[int]:
    answers: list[int] = []
    barrier = threading.Barrier(times)

    def one() -> None:
        barrier.wait()
        answers.append(call())

    threads = [threading.Thread(target=one) for _ in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return answers
