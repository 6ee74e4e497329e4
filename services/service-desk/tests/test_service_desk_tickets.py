"""Tickets: opened, assigned, replied to, and moved from status to status."""

import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_chassis.testing_servers import PostgresServer
from crm_service_desk.app import create_app

TICKET = {
    "subject": "王芳 reports blurred images since Monday",
    "description": "Both lenses.\nWarranty until 2027.",
    "type": "incident",
    "priority": "high",
    "channel": "email",
}


def opened(desk: Harness, **values: object) -> tuple[Caller, str, str]:
    agent = desk.as_user()
    response = agent.post("/v1/tickets", json={**TICKET, **values})
    assert response.status_code == 201, response.json
    return agent, f"/v1/tickets/{response.json['id']}", response.headers["ETag"]


def command(agent: Caller, path: str, name: str) -> TestResponse:
    """Send a command, or a move to a status, with the version as it is."""
    tag = {"If-Match": agent.get(path).headers["ETag"]}
    if name in ("resolve", "reopen", "close"):
        return agent.post(f"{path}/{name}", headers=tag)
    return agent.put(f"{path}/status", json={"status": name}, headers=tag)


def test_a_new_ticket_has_a_number_and_is_told_of_without_its_description(desk: Harness) -> None:
    agent, path, etag = opened(desk)
    ticket = agent.get(path).json
    assert re.fullmatch(r"T-\d{4}-\d{6}", ticket["number"])
    assert (ticket["status"], ticket["assignee_id"]) == ("new", agent.id)
    assert ticket["description"] == TICKET["description"]
    assert etag == '"1"'
    (told,) = desk.published()
    assert told.type == "crm.service-desk.ticket.opened.v1"
    assert (told.subject, told.sequence) == (ticket["id"], 1)
    assert told.data["number"] == ticket["number"]
    assert "Warranty" not in str(told.data)


def test_every_invalid_field_is_named_and_nothing_is_kept(desk: Harness) -> None:
    bad = {
        "subject": "x" * 501,
        "type": "riddle",
        "priority": "asap",
        "account_id": "Northwind",
        "status": "closed",
        "channel": "x" * 65,
    }
    response = desk.as_user().post("/v1/tickets", json=bad)
    assert response.status_code == 422
    assert problem_fields(response) == sorted(bad)
    assert problem_fields(desk.as_user().post("/v1/tickets", json={})) == ["subject", "type"]
    assert desk.published() == []


@pytest.fixture(params=["sqlite", "postgresql"])
def either_desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database("service-desk")
    harness = Harness(create_app, "service-desk", tmp_path, url)
    yield harness
    harness.close()


def test_numbers_are_unique_however_many_open_tickets_at_once(either_desk: Harness) -> None:
    agent = either_desk.as_user()

    def number(_: int) -> str:
        return agent.post("/v1/tickets", json=TICKET).json["number"]

    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(number, range(40)))
    assert len(set(numbers)) == 40


def test_of_replies_at_once_one_is_the_first(either_desk: Harness) -> None:
    agent, path, _ = opened(either_desk)

    def status(_: int) -> int:
        return agent.post(f"{path}/replies", json={"public": True, "body": "Hello"}).status_code

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(status, range(16))) == {201}
    first, *_ = agent.get(f"{path}/replies").json["items"]
    assert agent.get(path).json["first_replied_at"] == first["created_at"]
    assert len(either_desk.published("crm.service-desk.ticket.changed.v1")) == 1


def test_a_ticket_goes_its_way_and_every_move_is_logged_and_told(desk: Harness) -> None:
    agent, path, _ = opened(desk)
    way = ("open", "pending", "resolve", "reopen", "on_hold", "resolve", "close")
    for name in way:
        assert command(agent, path, name).status_code == 200, name
    ticket = agent.get(path).json
    assert ticket["status"] == "closed"
    assert date.fromisoformat(ticket["resolved_on"]) <= date.fromisoformat(ticket["closed_on"])
    statuses = [entry["to_status"] for entry in agent.get(f"{path}/status-log").json]
    assert statuses == [
        "new",
        "open",
        "pending",
        "resolved",
        "open",
        "on_hold",
        "resolved",
        "closed",
    ]
    told = desk.published()[1:]
    kinds = [entry.type.removeprefix("crm.service-desk.ticket.") for entry in told]
    assert kinds[:4] == ["status_changed.v1", "status_changed.v1", "resolved.v1", "reopened.v1"]
    assert kinds[4:] == ["status_changed.v1", "resolved.v1", "closed.v1"]
    assert [entry.sequence for entry in told] == list(range(2, 9))
    reopened = told[3].data
    assert (reopened["status"], reopened["resolved_on"]) == ("open", None)
    assert reopened["resolved_at"] is None
    assert reopened["change"]["from_status"] == "resolved"
    assert reopened["change"]["to_status"] == "open"
    assert all(entry.data["change"]["seconds_in_status"] >= 0 for entry in told)


MOVES = ("open", "pending", "on_hold")
OUTCOMES = {
    **{("new", to): to for to in MOVES},
    **{(at, to): to for at in MOVES for to in MOVES if at != to},
    **{(at, "resolve"): "resolved" for at in ("new", *MOVES)},
    ("resolved", "reopen"): "open",
    ("resolved", "close"): "closed",
}
"""The status that each command leads to; a command that is not here is refused."""


@given(st.lists(st.sampled_from((*MOVES, "resolve", "reopen", "close")), max_size=12))
@settings(
    max_examples=50,
    deadline=None,
    # Every example opens a ticket of its own at the one desk.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_commands_follow_the_definition_and_a_refused_one_changes_nothing(
    desk: Harness, names: list[str]
) -> None:
    agent, path, _ = opened(desk)
    for name in names:
        before, told = agent.get(path).json, len(desk.published())
        answer = command(agent, path, name)
        after = agent.get(path).json
        outcome = OUTCOMES.get((before["status"], name))
        if outcome is None:
            assert answer.status_code == 409
            assert after == before
            assert len(desk.published()) == told
        else:
            assert (answer.status_code, after["status"]) == (200, outcome)
            assert len(desk.published()) == told + 1
        is_done = after["status"] in ("resolved", "closed")
        assert (after["resolved_on"] is not None) == is_done
        assert (after["resolved_at"] is not None) == is_done
        assert (after["closed_on"] is not None) == (after["status"] == "closed")


def test_only_commands_resolve_reopen_and_close(desk: Harness) -> None:
    agent, path, etag = opened(desk)
    for status in ("new", "resolved", "reopened", "closed", "solved"):
        tag = {"If-Match": etag}
        answer = agent.put(f"{path}/status", json={"status": status}, headers=tag)
        assert problem_fields(answer) == ["status"]
    unknown = agent.post(f"{path}/resolve", json={"on": "2020-01-01"}, headers={"If-Match": etag})
    assert problem_fields(unknown) == ["on"]


def test_a_change_is_told_once_and_needs_the_version_that_was_seen(desk: Harness) -> None:
    agent, path, etag = opened(desk)
    urgent = {"priority": "urgent"}
    assert agent.patch(path, json=urgent).status_code == 428
    assert agent.post(f"{path}/resolve").status_code == 428
    changed = agent.patch(path, json=urgent, headers={"If-Match": etag})
    assert changed.json["priority"] == "urgent"
    assert agent.patch(path, json=urgent, headers={"If-Match": etag}).status_code == 412
    assert agent.post(f"{path}/resolve", headers={"If-Match": etag}).status_code == 412
    again = agent.patch(path, json=urgent, headers={"If-Match": changed.headers["ETag"]})
    assert again.headers["ETag"] == changed.headers["ETag"]
    assert len(desk.published("crm.service-desk.ticket.changed.v1")) == 1


def test_the_first_public_reply_by_a_person_ends_the_wait(desk: Harness) -> None:
    agent, path, _ = opened(desk)
    machine = desk.as_user(kind="client")
    machine.post(f"{path}/replies", json={"public": True, "body": "We have your message."})
    agent.post(f"{path}/replies", json={"public": False, "body": "Ask the lens team."})
    assert agent.get(path).json["first_replied_at"] is None
    reply = agent.post(f"{path}/replies", json={"public": True, "body": "您好，We look into it."})
    assert reply.status_code == 201
    assert (reply.json["author_id"], reply.json["by_person"]) == (agent.id, True)
    assert agent.get(path).json["first_replied_at"] == reply.json["created_at"]
    for name in ("resolve", "reopen"):
        command(agent, path, name)
    agent.post(f"{path}/replies", json={"public": True, "body": "Again."})
    assert agent.get(path).json["first_replied_at"] == reply.json["created_at"]
    (told,) = desk.published("crm.service-desk.ticket.changed.v1")
    assert told.data["first_replied_at"] == reply.json["created_at"]


def test_replies_are_listed_oldest_first_and_by_who_may_read_them(desk: Harness) -> None:
    agent, path, _ = opened(desk)
    for number in range(3):
        agent.post(f"{path}/replies", json={"public": number != 1, "body": f"Word {number}"})
    first = agent.get(f"{path}/replies?limit=2").json
    rest = agent.get(f"{path}/replies?limit=2&cursor={first['next_cursor']}").json
    bodies = [reply["body"] for reply in first["items"] + rest["items"]]
    assert bodies == ["Word 0", "Word 1", "Word 2"]
    public = agent.get(f"{path}/replies?public=true").json["items"]
    assert [reply["body"] for reply in public] == ["Word 0", "Word 2"]
    bad = agent.post(f"{path}/replies", json={"body": " "})
    assert problem_fields(bad) == ["body", "public"]
    stranger = desk.as_user({"service-desk.tickets.*": "team"}, team=new_id())
    assert stranger.get(f"{path}/replies").status_code == 404
    assert stranger.get(f"{path}/status-log").status_code == 404
    body = {"public": True, "body": "Hello"}
    assert stranger.post(f"{path}/replies", json=body).status_code == 404


def test_a_closed_ticket_takes_no_reply(desk: Harness) -> None:
    agent, path, _ = opened(desk)
    for name in ("resolve", "close"):
        command(agent, path, name)
    reply = agent.post(f"{path}/replies", json={"public": True, "body": "One more thing"})
    assert reply.status_code == 409
    assert agent.get(f"{path}/replies").json["items"] == []


def known_user(desk: Harness, team: str, name: str = "李娜") -> str:
    user = new_id()
    data = {"id": user, "external_id": None, "name": name, "team_id": team}
    desk.deliver(event("crm.gateway.user.created.v1", data))
    return user


def test_a_ticket_is_assigned_only_to_somebody_in_reach_and_the_team_follows(
    desk: Harness,
) -> None:
    mine, theirs = new_id(), new_id()
    colleague, stranger = known_user(desk, mine), known_user(desk, theirs)
    agent = desk.as_user({"service-desk.tickets.*": "team"}, team=mine)
    created = agent.post("/v1/tickets", json=TICKET)
    path, tag = f"/v1/tickets/{created.json['id']}", {"If-Match": created.headers["ETag"]}
    refused = agent.patch(path, json={"assignee_id": stranger}, headers=tag)
    assert refused.status_code == 403
    unknown = agent.patch(path, json={"assignee_id": new_id()}, headers=tag)
    assert problem_fields(unknown) == ["assignee_id"]
    given_on = agent.patch(path, json={"assignee_id": colleague}, headers=tag)
    assert (given_on.json["assignee_id"], given_on.json["team_id"]) == (colleague, mine)
    lead = desk.as_user({"service-desk.tickets.*": "all"})
    tag = {"If-Match": given_on.headers["ETag"]}
    moved = lead.patch(path, json={"assignee_id": stranger}, headers=tag)
    assert moved.json["team_id"] == theirs
    assert agent.get(path).status_code == 404


def test_a_ticket_of_nobody_waits_with_its_team(desk: Harness) -> None:
    team = new_id()
    agent = desk.as_user({"service-desk.tickets.*": "team"}, team=team)
    waiting = agent.post("/v1/tickets", json={**TICKET, "assignee_id": None}).json
    assert (waiting["assignee_id"], waiting["team_id"]) == (None, team)
    taken = agent.post("/v1/tickets", json=TICKET)
    tag = {"If-Match": taken.headers["ETag"]}
    path = f"/v1/tickets/{taken.json['id']}"
    back = agent.patch(path, json={"assignee_id": None}, headers=tag).json
    assert (back["assignee_id"], back["team_id"]) == (None, team)
    colleague = desk.as_user({"service-desk.tickets.*": "team"}, team=team)
    queue = colleague.get("/v1/tickets?assigned=false").json["items"]
    assert {ticket["id"] for ticket in queue} == {waiting["id"], taken.json["id"]}
    assert colleague.get("/v1/tickets?assigned=true").json["items"] == []


def test_own_tickets_are_those_one_is_assigned_to(desk: Harness) -> None:
    agent = desk.as_user({"service-desk.tickets.*": "own"}, team=new_id())
    ticket = agent.post("/v1/tickets", json=TICKET).json
    other = desk.as_user({"service-desk.tickets.*": "own"}, team=ticket["team_id"])
    assert agent.get(f"/v1/tickets/{ticket['id']}").status_code == 200
    assert other.get(f"/v1/tickets/{ticket['id']}").status_code == 404
    assert other.get("/v1/tickets").json["items"] == []
    assert "blurred" not in other.get("/v1/exports/tickets").text
    reader = desk.as_user({"service-desk.tickets.read": "all"})
    assert command(reader, f"/v1/tickets/{ticket['id']}", "resolve").status_code == 403


def test_names_of_the_customer_follow_whatever_order_they_are_told_in(desk: Harness) -> None:
    account, contact = new_id(), new_id()
    agent, path, etag = opened(desk, account_id=account)
    assert agent.get(path).json["account_name"] is None
    old, new = (
        event(f"crm.customer.account.{verb}.v1", {"id": account, "name": name}, sequence=sequence)
        for verb, name, sequence in (("created", "Northwind", 1), ("changed", "北风", 2))
    )
    desk.deliver(new)
    desk.deliver(old, new)
    desk.deliver(event("crm.customer.contact.created.v1", {"id": contact, "name": "王芳"}))
    changed = agent.patch(path, json={"contact_id": contact}, headers={"If-Match": etag}).json
    assert (changed["account_name"], changed["contact_name"]) == ("北风", "王芳")
    (listed,) = agent.get(f"/v1/tickets?account_id={account}").json["items"]
    assert listed["contact_name"] == "王芳"


def test_the_list_is_filtered_searched_and_paged(desk: Harness) -> None:
    agent = desk.as_user()
    for number in range(5):
        priority = "urgent" if number % 2 else "low"
        agent.post(
            "/v1/tickets", json={**TICKET, "subject": f"Case {number}", "priority": priority}
        )

    def subjects(query: str) -> list[str]:
        return [item["subject"] for item in agent.get(f"/v1/tickets?{query}").json["items"]]

    assert subjects("priority=urgent&sort=opened_at") == ["Case 1", "Case 3"]
    assert subjects("q=case%204") == ["Case 4"]
    number = agent.get("/v1/tickets?q=case%204").json["items"][0]["number"]
    assert subjects(f"number={number}") == subjects(f"q={number}") == ["Case 4"]
    assert subjects("status=open") == []
    assert len(subjects("q=warranty")) == 5
    assert subjects("opened_on_to=2020-01-01") == []
    first = agent.get("/v1/tickets?limit=3").json
    rest = agent.get(f"/v1/tickets?limit=3&cursor={first['next_cursor']}").json
    found = [item["subject"] for item in first["items"] + rest["items"]]
    assert found == [f"Case {number}" for number in (4, 3, 2, 1, 0)]


def test_a_resolution_is_when_it_was_last_resolved(desk: Harness) -> None:
    agent, path, _ = opened(desk)
    first = command(agent, path, "resolve").json["resolved_at"]
    command(agent, path, "reopen")
    last = command(agent, path, "resolve").json["resolved_at"]
    assert datetime.fromisoformat(last) > datetime.fromisoformat(first)
