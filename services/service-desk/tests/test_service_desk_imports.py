"""Tickets out of files: as they stand, once, with every bad cell named."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Harness, event
from crm_service_desk.app import DEFINITION, create_app

MAPPING = {
    "resource": "tickets",
    "columns": {
        "id": "external_id",
        "title": "subject",
        "state": "status",
        "customer": "account",
        "agent": "assignee",
        "from": "opened_on",
        "solved": "resolved_on",
        "to": "closed_on",
    },
    "constants": {"type": "incident"},
    "values": {"status": {"Closed": "closed", "Resolved": "resolved", "Active": "open"}},
}
HEADER = "id,title,state,customer,agent,from,solved,to\n"


def imported(desk: Harness, rows: str, **options: object) -> tuple[dict, list[dict]]:
    admin = desk.as_user(team=new_id())
    job = admin.post("/v1/imports", json={**MAPPING, **options}).json
    path = f"/v1/imports/{job['id']}"
    content = io.BytesIO((HEADER + rows).encode())
    assert admin.put(f"{path}/content", input_stream=content).status_code == 202
    runner = ImportRunner("service-desk", desk.service.database, DEFINITION.importers)
    while runner.step():
        pass
    return admin.get(path).json, admin.get(f"{path}/errors").json["items"]


def tickets(desk: Harness) -> dict[str, dict]:
    return {t["external_id"]: t for t in desk.as_user().get("/v1/tickets").json["items"]}


@pytest.fixture
def names(desk: Harness) -> dict[str, str]:
    """Ids of what the files below name."""
    ids = {"Cancity": new_id(), "李娜": new_id(), "team": new_id()}
    user = {"id": ids["李娜"], "external_id": "emp-7", "name": "李娜", "team_id": ids["team"]}
    desk.deliver(
        event("crm.customer.account.created.v1", {"id": ids["Cancity"], "name": "Cancity"}),
        event("crm.gateway.user.created.v1", user),
    )
    return ids


def test_rows_become_tickets_as_they_stand_once(desk: Harness, names: dict[str, str]) -> None:
    rows = (
        "I1,Printer,Closed,Cancity,李娜,2016-02-29,2016-03-02,2016-03-09\n"
        "I2,Network,Resolved,,emp-7,2016-02-29,2016-02-29,\n"
        "I3,Phone,Active,,,2016-03-01,,\n"
    )
    job, errors = imported(desk, rows)
    assert (errors, job["created"], job["state"]) == ([], 3, "done")
    found = tickets(desk)
    assert (found["I1"]["status"], found["I1"]["closed_on"]) == ("closed", "2016-03-09")
    assert found["I1"]["opened_at"] == "2016-02-29T00:00:00Z"
    assert found["I1"]["resolved_at"] == "2016-03-02T00:00:00Z"
    assert found["I1"]["account_id"] == names["Cancity"]
    assert (found["I2"]["assignee_id"], found["I2"]["team_id"]) == (names["李娜"], names["team"])
    assert (found["I3"]["status"], found["I3"]["resolved_at"]) == ("open", None)
    assert found["I3"]["assignee_id"] is None
    numbers = {ticket["number"] for ticket in found.values()}
    assert len(numbers) == 3
    assert all(number.startswith("T-2016-") for number in numbers)
    assert {e.type for e in desk.published()} == {"crm.service-desk.ticket.opened.v1"}
    job, _ = imported(desk, rows)
    assert (job["created"], job["changed"], job["unchanged"]) == (0, 0, 3)
    assert len(desk.published()) == 3


def test_a_row_that_says_another_status_moves_the_ticket(
    desk: Harness, names: dict[str, str]
) -> None:
    imported(desk, "I1,Printer,Active,,,2016-02-29,,\n")
    imported(desk, "I1,Printer,Resolved,,,2016-02-29,2016-03-02,\n")
    imported(desk, "I1,Printer,Active,,,2016-02-29,,\n")
    job, _ = imported(desk, "I1,Printer 2,Active,,,2016-02-29,,\n")
    assert job["changed"] == 1
    kinds = [told.type.split(".")[3] for told in desk.published()]
    assert kinds == ["opened", "resolved", "reopened", "changed"]
    assert tickets(desk)["I1"]["resolved_at"] is None
    path = f"/v1/tickets/{tickets(desk)['I1']['id']}/status-log"
    log = [entry["to_status"] for entry in desk.as_user().get(path).json]
    assert log == ["open", "resolved", "open"]


def test_a_file_does_not_blur_the_moments_that_are_known(desk: Harness) -> None:
    agent = desk.as_user()
    body = {"subject": "Printer", "type": "incident", "external_id": "I1"}
    ticket = agent.post("/v1/tickets", json=body).json
    today = ticket["opened_on"]
    imported(desk, f"I1,Printer,Resolved,,,{today},{today},\n")
    after = tickets(desk)["I1"]
    assert after["opened_at"] == ticket["opened_at"]
    assert after["resolved_at"] == ticket["opened_at"]


def test_bad_rows_are_reported_by_row_and_column_and_the_rest_is_kept(
    desk: Harness, names: dict[str, str]
) -> None:
    rows = (
        "I2,Printer,Closed,Nobody,Noone,2016-02-29,,2016-03-01\n"
        "I3,Printer,Closed,,,2016-02-29,2016-02-28,2016-02-27\n"
        "I4,Printer,Active,,,2016-02-29,2016-03-01,2016-03-02\n"
        "I5,Printer,Resolved,,,2016-02-29,,\n"
        "I6,,Lost,,,2016-02-30,,\n"
        "I7,Printer,Closed,Cancity,,2016-02-29,,2016-03-01\n"
    )
    job, errors = imported(desk, rows)
    assert (job["created"], job["failed"]) == (1, 5)
    places = {(error["row"], error["column"]) for error in errors}
    assert places == {
        (2, "customer"),
        (2, "agent"),
        (3, "solved"),
        (3, "to"),
        (4, "solved"),
        (4, "to"),
        (5, "solved"),
        (6, "title"),
        (6, "state"),
        (6, "from"),
    }


def test_a_dry_run_reports_and_keeps_nothing(desk: Harness) -> None:
    rows = "I1,Printer,Active,,,2016-02-29,,\nI2,Printer,Active,,Noone,2016-02-29,,\n"
    job, errors = imported(desk, rows, dry_run=True)
    assert (job["created"], job["failed"], errors[0]["row"]) == (1, 1, 3)
    assert tickets(desk) == {}
    assert desk.published() == []


def test_the_export_is_the_list_as_csv(desk: Harness, names: dict[str, str]) -> None:
    imported(
        desk, "I1,打印机,Active,Cancity,,2016-02-29,,\nI2,Fax,Closed,,,2016-01-01,,2016-01-02\n"
    )
    lines = desk.as_user().get("/v1/exports/tickets?status=open").text.splitlines()
    assert len(lines) == 2
    assert "打印机" in lines[1]
    assert "Cancity" in lines[1]


def in_shanghai(settings: Settings, **parts: Any) -> Flask:
    return create_app(replace(settings, time_zone="Asia/Shanghai"), **parts)


def test_a_day_is_told_as_its_first_moment_where_the_business_is(tmp_path: Path) -> None:
    desk = Harness(in_shanghai, "service-desk", tmp_path)
    imported(desk, "I1,Printer,Resolved,,,2016-02-29,2016-03-02,\n")
    ticket = tickets(desk)["I1"]
    assert ticket["opened_at"] == "2016-02-28T16:00:00Z"
    assert ticket["resolved_at"] == "2016-03-01T16:00:00Z"
    desk.close()
