"""Leads out of files, which say their status as it stands."""

import io
from datetime import timedelta
from typing import Any

from prometheus_client import CollectorRegistry

from crm_chassis.imports.runner import ImportRunner
from crm_chassis.scheduler import Scheduler
from crm_chassis.testing_harness import Harness
from crm_sales.app import DEFINITION

COLUMNS = {name: name for name in ("external_id", "name", "status", "status_since")}
HEADER = ",".join(COLUMNS) + "\n"


def imported(sales: Harness, rows: str) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """The job, and the fields that it refused with why."""
    admin = sales.as_user()
    job = admin.post("/v1/imports", json={"resource": "leads", "columns": COLUMNS}).json
    path = f"/v1/imports/{job['id']}"
    content = io.BytesIO((HEADER + rows).encode())
    assert admin.put(f"{path}/content", input_stream=content).status_code == 202
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    errors = admin.get(f"{path}/errors").json["items"]
    return admin.get(path).json, [(error["field"], error["detail"]) for error in errors]


def lead_of(sales: Harness) -> dict[str, Any]:
    (lead,) = sales.as_user().get("/v1/leads").json["items"]
    return dict(lead)


def remind_of_what_waits(sales: Harness) -> None:
    database, registry, ahead = sales.service.database, CollectorRegistry(), timedelta(hours=25)
    scheduler = Scheduler("sales", database, DEFINITION.timers, (), registry, ahead)
    while scheduler.step():
        pass


def test_a_file_that_comes_again_leaves_a_converted_lead_converted(sales: Harness) -> None:
    row = "L-1,王小明,qualified,2026-01-05\n"
    imported(sales, row)
    path = f"/v1/leads/{lead_of(sales)['id']}/conversion"
    body = {"amount": "10", "currency": "CNY"}
    made = sales.as_user().post(path, json=body).json
    job, errors = imported(sales, row)
    assert (job["failed"], errors) == (1, [("status", "The lead was converted.")])
    assert lead_of(sales)["status"] == "converted"
    again = sales.as_user().post(path, json=body)
    assert (again.status_code, again.json) == (200, made)


def test_a_row_with_another_status_says_since_when_it_is(sales: Harness) -> None:
    imported(sales, "L-1,王小明,new,2026-01-05\n")
    job, errors = imported(sales, "L-1,王小明,qualified,2026-01-15\n")
    assert (job["changed"], errors) == (1, [])
    lead = lead_of(sales)
    assert (lead["status"], lead["status_since"][:10]) == ("qualified", "2026-01-15")
    (told,) = sales.published("crm.sales.lead.status_changed.v1")
    assert told.data["change"] == {
        "from_status": "new",
        "to_status": "qualified",
        "seconds_in_status": 10 * 86_400,
    }
    since = lead["status_since"]
    assert imported(sales, "L-1,王小明,contacted,\n")[0]["changed"] == 1
    assert lead_of(sales)["status_since"] > since


def test_a_lead_that_a_file_takes_on_waits_no_more(sales: Harness) -> None:
    imported(sales, "L-1,王小明,new,\n")
    remind_of_what_waits(sales)
    assert lead_of(sales)["reminded_at"] is not None
    imported(sales, "L-1,王小明,contacted,\n")
    assert lead_of(sales)["reminded_at"] is None
    imported(sales, "L-1,王小明,new,\n")
    remind_of_what_waits(sales)
    assert lead_of(sales)["reminded_at"] is not None
