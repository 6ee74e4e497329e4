"""One deal's life, from request to KPI, in both ways to run; and what must not get in."""

from __future__ import annotations

import io
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import urllib3

from crm_local.testing import Person, Running

ASKED = {"from": "2026-01-01", "to": "2026-12-31"}


def kpi(person: Person, name: str, **asked: str) -> Any:
    query = "&".join(f"{key}={value}" for key, value in (ASKED | asked).items())
    return person.ok("GET", f"reporting/v1/kpis/{name}?{query}")


def test_a_lead_becomes_a_deal_and_the_kpi_moves(
    platform: Running, admin: Person, eventually: Callable[..., Any]
) -> None:
    team = platform.found_team("华东 team")
    rep = platform.hire("sales_rep", team)
    campaign = admin.ok(
        "POST",
        "marketing/v1/campaigns",
        {
            "name": "Spring fair",
            "channel": "event",
            "budget": "5000.00",
            "actual_cost": "4000.00",
            "currency": "EUR",
            "starts_on": "2026-03-01",
            "ends_on": "2026-03-31",
        },
    )
    lead = rep.ok(
        "POST",
        "sales/v1/leads",
        {
            "name": "王小明",
            "company": "Northwind",
            "phone": "+86 138 0013 8000",
            "source": "fair",
            "industry": "finance",
            "campaign_id": campaign["id"],
        },
    )
    terms = {"amount": "12000.00", "currency": "EUR", "quantity": 3}
    made = rep.ok("POST", f"sales/v1/leads/{lead['id']}/conversion", terms)

    def account_name() -> str | None:
        answer = admin.send("GET", f"customer/v1/accounts/{made['account_id']}")
        return answer.json()["name"] if answer.status == 200 else None

    eventually(account_name, "Northwind")
    contact = admin.ok("GET", f"customer/v1/contacts/{made['contact_id']}")
    assert (contact["name"], contact["account_id"]) == ("王小明", made["account_id"])

    path = f"sales/v1/opportunities/{made['opportunity_id']}"
    proposal = rep.ok("PUT", f"{path}/stage", {"stage": "proposal"}, version=1)
    eventually(lambda: pipeline_of(admin, rep.id), ("12000.00", "6000.00"))
    won = {"closed_on": "2026-11-22", "amount": "11000.00"}
    rep.ok("POST", f"{path}/win", won, version=proposal["version"])

    eventually(lambda: value_of(admin, "sales", "person", rep.id), "11000.00")
    assert value_of(admin, "won_count", "person", rep.id) == 1
    assert value_of(admin, "sales", "team", team) == "11000.00"
    eventually(lambda: value_of(admin, "sales", "industry", "finance"), "11000.00")
    assert value_of(admin, "sales", "source", "fair") == "11000.00"
    assert pipeline_of(admin, rep.id) == (None, None)
    assert value_of(admin, "campaign_won_value", "campaign", campaign["id"]) == "11000.00"
    facts = admin.ok(
        "GET",
        f"reporting/v1/kpis/sales/facts?from=2026-01-01&to=2026-12-31&by=person&member={rep.id}",
    )
    assert [fact["id"] for fact in facts["items"]] == [made["opportunity_id"]]


def value_of(person: Person, name: str, dimension: str, member: str) -> Any:
    return member_value(kpi(person, name, by=dimension), member)


def member_value(answer: Any, member: str) -> Any:
    rows = answer["rows"]
    return next((row["value"] for row in rows if row["member"]["id"] == member), None)


def pipeline_of(person: Person, member: str) -> tuple[Any, Any]:
    names = ("pipeline", "weighted_pipeline")
    unweighted, weighted = (
        member_value(person.ok("GET", f"reporting/v1/kpis/{name}?by=person"), member)
        for name in names
    )
    return unweighted, weighted


def test_the_sales_report_of_the_worked_example(
    platform: Running, admin: Person, eventually: Callable[..., Any]
) -> None:
    seller = platform.hire("sales_rep", platform.found_team("Report team")).id
    for number, month in enumerate(("2022-09", "2022-10", "2022-11")):
        admin.ok(
            "PUT",
            "sales/v1/targets",
            {
                "scope": "person",
                "member_id": seller,
                "month": month,
                "amount": "10000",
                "currency": "CNY",
            },
        )
        deal = {
            "name": month,
            "amount": str(10_000 + 5_000 * number),
            "quantity": 100 + 50 * number,
            "currency": "CNY",
            "opened_on": "2022-08-01",
            "owner_id": seller,
        }
        opened = eventually_ok(lambda deal=deal: admin.send("POST", "sales/v1/opportunities", deal))
        admin.ok(
            "POST",
            f"sales/v1/opportunities/{opened['id']}/win",
            {"closed_on": f"{month}-15"},
            version=1,
        )

    def report() -> list[tuple[Any, ...]]:
        path = "reporting/v1/reports/sales?from=2022-09-01&to=2022-11-30&currency=CNY"
        rows = admin.ok("GET", path)["rows"]
        return [
            (row["month"], Decimal(row["sales"]), row["quantity"], Decimal(row["completion"] or 0))
            for row in rows
        ]

    eventually(
        report,
        [
            ("2022-09", Decimal(10000), 100, Decimal("1")),
            ("2022-10", Decimal(15000), 150, Decimal("1.5")),
            ("2022-11", Decimal(20000), 200, Decimal("2")),
        ],
    )


def eventually_ok(send: Callable[[], urllib3.BaseHTTPResponse]) -> Any:
    """The answer once it is a good one: sales may not have heard of a new user yet."""
    for _ in range(200):
        answer = send()
        if answer.status != 422:
            break
        threading.Event().wait(0.05)
    assert answer.status < 300, answer.data
    return answer.json()


def test_fifty_conversions_at_once_make_one_opportunity(admin: Person) -> None:
    lead = admin.ok("POST", "sales/v1/leads", {"name": "Once", "company": f"C {uuid.uuid4()}"})
    path = f"sales/v1/leads/{lead['id']}/conversion"
    terms = {"amount": "1", "currency": "EUR"}
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda _: admin.send("POST", path, terms), range(50)))
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] * 49 + [201], [answer.data for answer in answers][:50:7]
    assert len({answer.json()["opportunity_id"] for answer in answers}) == 1
    found = admin.ok("GET", f"sales/v1/opportunities?lead_id={lead['id']}")["items"]
    assert len(found) == 1


def test_fifty_edits_of_one_version_let_one_through(admin: Person) -> None:
    lead = admin.ok("POST", "sales/v1/leads", {"name": "Contended"})
    path = f"sales/v1/leads/{lead['id']}"
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda n: admin.send("PATCH", path, {"score": n + 1}, version=1), range(50))
        )
    statuses = sorted(answer.status for answer in answers)
    assert statuses == [200] + [412] * 49, [a.data for a in answers if a.status > 412][:3]
    assert admin.ok("GET", path)["version"] == 2


def problem(answer: urllib3.BaseHTTPResponse) -> tuple[int, str]:
    assert answer.headers["Content-Type"] == "application/problem+json", answer.data
    return answer.status, answer.json()["type"].rpartition(":")[2]


def test_others_records_are_not_there(platform: Running) -> None:
    one, other = (
        platform.hire("sales_rep", platform.found_team(name)) for name in ("One", "Other")
    )
    lead = one.ok("POST", "sales/v1/leads", {"name": "Mine"})
    assert problem(other.send("GET", f"sales/v1/leads/{lead['id']}")) == (404, "not-found")
    assert (
        other.send("PATCH", f"sales/v1/leads/{lead['id']}", {"score": 1}, version=1).status == 404
    )
    assert problem(one.send("POST", "identity/v1/users", {"name": "x"}))[0] == 403


def test_hostile_requests_get_named_problems(platform: Running, admin: Person) -> None:
    nobody = Person(platform.address, "not.a.token")
    assert problem(nobody.send("GET", "sales/v1/leads"))[0] == 401
    unknown = admin.send("POST", "sales/v1/leads", {"name": "x", "colour": "red"})
    assert [error["field"] for error in unknown.json()["errors"]] == ["colour"]
    json_type = {"Content-Type": "application/json"}
    broken = admin.send("POST", "sales/v1/leads", headers=json_type, body=b'{"name": ')
    assert problem(broken) == (400, "malformed")
    huge = admin.send("POST", "sales/v1/leads", headers=json_type, body=b"[" + b"1," * 10_000_000)
    assert problem(huge)[0] == 413
    nul = admin.send("POST", "sales/v1/leads", {"name": "a\0b"})
    assert problem(nul)[0] == 422
    assert problem(admin.send("GET", "nowhere/v1/leads"))[0] == 404
    assert problem(admin.send("DELETE", "sales/v1/leads"))[0] == 405


def test_a_file_of_bad_bytes_is_a_named_problem(admin: Person) -> None:
    job = admin.ok(
        "POST",
        "sales/v1/imports",
        {"resource": "leads", "columns": {"id": "external_id", "name": "name"}},
    )
    path = f"sales/v1/imports/{job['id']}/content"
    bad = b"id,name\n1,\xff\xfe\n"
    answer = admin.send("PUT", path, headers={"Content-Type": "text/csv"}, body=io.BytesIO(bad))
    assert problem(answer) == (422, "invalid")
    assert answer.json()["errors"][0]["field"] == "file"
