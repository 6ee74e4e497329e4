"""Customer requests out of files."""

import io
from datetime import date
from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Harness, event
from crm_sales.app import DEFINITION

HEADER = (
    "external_id,title,account,owner,status,opened_on,sales_value,currency,"
    "planned_delivery_on,started_on,delivered_on,closed_on,declined_reason,satisfaction\n"
)
OPEN = "R-1,Modbus TCP,ACME,李娜,,2026-01-05,,,,,,,,\n"
CONFIRMED = (
    "R-2,导出到 XLSX,ACME,李娜,confirmed,2026-01-05,12000.00,CNY,"
    "2026-02-01,2026-01-12,2026-02-04,2026-02-09,,5\n"
)


@pytest.fixture
def owner(sales: Harness) -> str:
    id_ = new_id()
    user = {"id": id_, "name": "李娜", "active": True}
    account = {"id": new_id(), "external_id": "ACME", "name": "Acme"}
    sales.deliver(
        event("crm.gateway.user.created.v1", user),
        event("crm.customer.account.created.v1", account),
    )
    return id_


def imported(sales: Harness, *rows: str) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """The job, and the rows and fields that it refused."""
    admin = sales.as_user()
    columns = {name: name for name in HEADER.strip().split(",")}
    job = admin.post("/v1/imports", json={"resource": "requests", "columns": columns}).json
    path = f"/v1/imports/{job['id']}"
    content = io.BytesIO((HEADER + "".join(rows)).encode())
    assert admin.put(f"{path}/content", input_stream=content).status_code == 202
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    errors = admin.get(f"{path}/errors").json["items"]
    return admin.get(path).json, [(error["row"], error["field"]) for error in errors]


def requests(sales: Harness) -> dict[str, dict[str, Any]]:
    found = sales.as_user().get("/v1/requests").json["items"]
    return {each["external_id"]: each for each in found}


def test_requests_come_in_as_they_stand_on_their_own_days(sales: Harness, owner: str) -> None:
    job, errors = imported(sales, OPEN, CONFIRMED)
    assert (job["created"], errors) == (2, [])
    new, confirmed = requests(sales)["R-1"], requests(sales)["R-2"]
    assert (new["status"], new["opened_on"]) == ("open", "2026-01-05")
    assert (confirmed["status"], confirmed["owner_id"]) == ("confirmed", owner)
    assert confirmed["seconds_to_delivery"] == (date(2026, 2, 4) - date(2026, 1, 5)).days * 86_400
    assert confirmed["seconds_to_confirmation"] == 35 * 86_400
    log = sales.as_user().get(f"/v1/requests/{confirmed['id']}/log").json
    assert [(each["from_status"], each["to_status"]) for each in log] == [(None, "confirmed")]
    told = sales.published("crm.sales.request.opened.v1")
    assert {each.data["seconds_to_delivery"] for each in told} == {None, 30 * 86_400}


def test_a_second_import_of_the_same_file_changes_nothing(sales: Harness, owner: str) -> None:
    imported(sales, OPEN, CONFIRMED)
    job, errors = imported(sales, OPEN, CONFIRMED)
    assert (job["created"], job["changed"], job["unchanged"], errors) == (0, 0, 2, [])


def test_a_row_with_another_status_moves_its_request(sales: Harness, owner: str) -> None:
    imported(sales, OPEN)
    declined = OPEN.replace("李娜,,", "李娜,declined,").replace(",,,,,,,,", ",,,,,,2026-01-15,,")
    assert imported(sales, declined)[1] == [(2, "declined_reason")]
    job, errors = imported(sales, declined.replace("15,,", "15,no demand,"))
    assert (job["changed"], errors) == (1, [])
    (told,) = sales.published("crm.sales.request.closed.v1")
    assert told.data["change"] == {
        "from_status": "open",
        "to_status": "declined",
        "seconds_in_status": 10 * 86_400,
    }
    path = f"/v1/requests/{told.data['id']}/log"
    assert [each["to_status"] for each in sales.as_user().get(path).json] == ["open", "declined"]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (CONFIRMED.replace("2026-02-04", "2026-01-01"), "delivered_on"),
        (CONFIRMED.replace("2026-02-09", ""), "closed_on"),
        (CONFIRMED.replace("CNY", ""), "currency"),
        (CONFIRMED.replace("confirmed", "planned"), "delivered_on"),
        (CONFIRMED.replace("ACME", "Nobody"), "account"),
    ],
    ids=["order of days", "missing day", "no currency", "day too many", "no such account"],
)
def test_a_row_that_cannot_be_is_refused(
    sales: Harness, owner: str, wrong: str, field: str
) -> None:
    job, errors = imported(sales, wrong)
    assert job["failed"] == 1
    assert (2, field) in errors
    assert requests(sales) == {}
