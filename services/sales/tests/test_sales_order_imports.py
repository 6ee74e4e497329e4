"""Orders and receipts out of files."""

import io
from datetime import timedelta
from typing import Any

import pytest

from crm_chassis.database import new_id, utc_now
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Harness, event
from crm_sales.app import DEFINITION

COLUMNS = {
    "key": "external_id",
    "customer": "contact",
    "date": ["placed_on", "paid_on", "completed_on"],
    "cds": "quantity",
    "value": "amount",
}
MAPPING = {
    "resource": "orders",
    "columns": COLUMNS,
    "constants": {"currency": "USD", "status": "completed"},
}
HEADER = "key,customer,date,cds,value\n"


def imported(
    sales: Harness, rows: str, **options: Any
) -> tuple[dict[str, Any], list[tuple[int, str]]]:
    """The job, and the rows and fields that it refused."""
    admin = sales.as_user()
    job = admin.post("/v1/imports", json={**MAPPING, **options}).json
    path = f"/v1/imports/{job['id']}"
    assert admin.put(f"{path}/content", input_stream=io.BytesIO(rows.encode())).status_code == 202
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    errors = admin.get(f"{path}/errors").json["items"]
    return admin.get(path).json, [(error["row"], error["field"]) for error in errors]


@pytest.fixture
def customers(sales: Harness) -> dict[str, str]:
    """The contacts and the account that files name, by external id."""
    ids = {"00001": new_id(), "00002": new_id(), "ACME": new_id()}
    contact, account = "crm.customer.contact.created.v1", "crm.customer.account.created.v1"
    sales.deliver(
        event(contact, {"id": ids["00001"], "external_id": "00001", "name": "王芳"}),
        event(contact, {"id": ids["00002"], "external_id": "00002", "name": "王芳"}),
        event(account, {"id": ids["ACME"], "external_id": "ACME", "name": "Acme"}),
    )
    return ids


def orders(sales: Harness, **filters: Any) -> list[dict[str, Any]]:
    found = sales.as_user().get("/v1/orders", query_string={"sort": "placed_at", **filters})
    return list(found.json["items"])


def test_orders_come_in_as_they_stand(sales: Harness, customers: dict[str, str]) -> None:
    job, errors = imported(
        sales,
        HEADER
        + "1,00001,1997-01-01,1,11.77\n2,00002,1997-01-12,3,77.00\n3,00002,1997-01-12,1,0.00",
    )
    assert (job["created"], job["failed"], errors) == (3, 0, [])
    first, second, free = orders(sales)
    assert first["contact_id"] == customers["00001"]
    assert (first["status"], first["paid_on"], first["completed_on"]) == (
        "completed",
        "1997-01-01",
        "1997-01-01",
    )
    assert (second["total"], second["paid_amount"], second["open_amount"]) == (
        "77.00",
        "77.00",
        "0.00",
    )
    (line,) = sales.as_user().get(f"/v1/orders/{second['id']}").json["lines"]
    assert (line["quantity"], line["unit_price"], line["total"]) == ("3", "25.6667", "77.00")
    assert (free["total"], free["status"]) == ("0.00", "completed")
    assert [event.type for event in sales.published()] == ["crm.sales.order.placed.v1"] * 3
    assert {event.data["status"] for event in sales.published()} == {"completed"}


def test_a_second_run_changes_nothing(sales: Harness, customers: dict[str, str]) -> None:
    rows = HEADER + "1,00001,1997-01-01,1,11.77\n2,00002,1997-01-12,3,77.00\n"
    imported(sales, rows)
    before = orders(sales)
    job, _ = imported(sales, rows)
    assert (job["unchanged"], job["created"], job["changed"]) == (2, 0, 0)
    assert orders(sales) == before
    assert len(sales.published()) == 2


def test_a_row_corrects_an_order_that_nothing_refers_to(
    sales: Harness, customers: dict[str, str]
) -> None:
    waiting = {"constants": {"currency": "USD"}, "columns": COLUMNS | {"date": "placed_on"}}
    today = utc_now().date()
    imported(sales, HEADER + f"1,00001,{today},1,11.77\n", **waiting)
    job, _ = imported(sales, HEADER + f"1,00002,{today},2,12.00\n")
    assert job["changed"] == 1
    (order,) = orders(sales)
    assert (order["total"], order["status"], order["paid_amount"]) == (
        "12.00",
        "completed",
        "12.00",
    )
    assert order["contact_id"] == customers["00002"]


def test_money_that_came_in_is_not_contradicted_by_a_row(
    sales: Harness, customers: dict[str, str]
) -> None:
    waiting = {"constants": {"currency": "USD"}, "columns": COLUMNS | {"date": "placed_on"}}
    imported(sales, HEADER + "1,00001,2026-01-01,1,11.77\n", **waiting)
    (order,) = orders(sales)
    paid = {"order_id": order["id"], "amount": "5.00", "currency": "USD"}
    sales.as_user().post("/v1/receipts", json=paid)
    _, errors = imported(sales, HEADER + "1,00001,2026-01-01,1,12.00\n")
    assert errors == [(2, "status"), (2, "amount")]
    assert orders(sales)[0]["paid_amount"] == "5.00"


def test_what_is_wrong_with_a_row_is_named(sales: Harness, customers: dict[str, str]) -> None:
    bad = [
        ("1,99999,1997-01-01,1,1.00", "customer"),
        ("2,王芳,1997-01-01,1,1.00", "customer"),
        ("3,,1997-01-01,1,1.00", "customer"),
        ("4,00001,1997-13-01,1,1.00", "date"),
        ("5,00001,1997-01-01,0,1.00", "cds"),
        ("6,00001,1997-01-01,1,-1.00", "value"),
        ("7,00001,1997-01-01,1,0.001", "value"),
        ("8,00001,1997-01-01,1,", "value"),
        ("9,00001,1997-01-01,1,1e3", "value"),
        ("10,00001,1997-01-01,0.0001,99999999999999", "cds"),
        (",00001,1997-01-01,1,1.00", "key"),
    ]
    job, errors = imported(sales, HEADER + "\n".join(row for row, _ in bad))
    assert job["failed"] == len(bad)
    assert {row for row, _ in errors} == set(range(2, len(bad) + 2))
    mapped = {"customer": {"contact", "account"}, "cds": {"quantity"}, "value": {"amount"}}
    mapped |= {"key": {"external_id"}, "date": {"placed_on", "paid_on", "completed_on"}}
    for row, (_, column) in enumerate(bad, 2):
        assert {field for number, field in errors if number == row} <= mapped[column], row
    assert orders(sales) == []


def test_days_and_status_agree(sales: Harness, customers: dict[str, str]) -> None:
    columns = {"key": "external_id", "who": "account", "on": "placed_on", "price": "unit_price"}
    columns |= {"status": "status", "paid": "paid_on", "done": "completed_on", "tax": "tax_rate"}
    rows = (
        "key,who,on,price,status,paid,done,tax\n"
        "1,ACME,2026-01-05,10.00,paid,2026-01-04,,19\n"
        "2,ACME,2026-01-05,10.00,placed,2026-01-06,,19\n"
        "3,ACME,2026-01-05,10.00,completed,,2026-01-04,19\n"
        "4,ACME,2026-01-05,10.00,completed,,,19\n"
        "5,ACME,2026-01-05,10.00,cancelled,,,19\n"
    )
    job, errors = imported(sales, rows, columns=columns, constants={"currency": "EUR"})
    assert (job["created"], job["failed"]) == (1, 4)
    assert errors == [
        (3, "paid_on"),
        (4, "completed_on"),
        (5, "completed_on"),
        (6, "cancelled_on"),
    ]
    (order,) = orders(sales)
    assert (order["total"], order["tax"], order["account_id"]) == (
        "11.90",
        "1.90",
        customers["ACME"],
    )


def test_an_old_unpaid_order_is_overdue_without_a_word(
    sales: Harness, customers: dict[str, str]
) -> None:
    waiting = {"constants": {"currency": "USD"}, "columns": COLUMNS | {"date": "placed_on"}}
    today = utc_now().date()
    rows = f"1,00001,{today - timedelta(days=30)},1,11.77\n2,00001,{today},1,5.00\n"
    imported(sales, HEADER + rows, **waiting)
    assert [order["payment_overdue"] for order in orders(sales)] == [True, False]
    sales.service.scheduler.step()
    assert {event.type for event in sales.published()} == {"crm.sales.order.placed.v1"}
    job, _ = imported(sales, HEADER + f"1,00001,{today - timedelta(days=30)},1,11.77\n")
    assert job["changed"] == 1
    assert orders(sales, external_id="1")[0]["payment_overdue"] is False
    assert sales.published()[-1].type == "crm.sales.order.payment_settled.v1"


def test_receipts_come_in_once(sales: Harness, customers: dict[str, str]) -> None:
    waiting = {"constants": {"currency": "USD"}, "columns": COLUMNS | {"date": "placed_on"}}
    imported(sales, HEADER + "1,00001,2026-01-01,1,11.77\n", **waiting)
    number = orders(sales)[0]["number"]
    columns = {"key": "external_id", "order": "order", "who": "account", "on": "received_on"}
    columns |= {"amount": "amount", "how": "method"}
    rows = (
        "key,order,who,on,amount,how\n"
        "b1,1,,2026-01-02,5.00,card\n"
        f"b2,{number},,2026-01-03,10.00,转账\n"
        "b3,,ACME,2026-01-03,7.00,card\n"
        "b4,1,ACME,2026-01-03,7.00,card\n"
        "b5,2,,2026-01-03,7.00,card\n"
        "b6,,,2026-01-03,7.00,card\n"
        "b7,1,,2026-01-03,0.00,card\n"
    )
    money = {"resource": "receipts", "columns": columns, "constants": {"currency": "USD"}}
    for outcome in ("created", "unchanged"):
        job, errors = imported(sales, rows, **money)
        assert (job[outcome], job["failed"]) == (3, 4)
        assert errors == [(5, "order"), (6, "order"), (7, "account_id"), (8, "amount")]
    (order,) = orders(sales)
    assert (order["status"], order["paid_on"], order["paid_amount"]) == (
        "paid",
        "2026-01-03",
        "11.77",
    )
    receipts = sales.as_user().get("/v1/receipts?sort=received_on").json["items"]
    assert [each["unallocated_amount"] for each in receipts] == ["0.00", "3.23", "7.00"]
    _, errors = imported(sales, rows.replace("5.00,card", "6.00,card"), **money)
    assert errors[0] == (2, "amount")


def test_an_export_has_what_the_list_has(sales: Harness, customers: dict[str, str]) -> None:
    imported(sales, HEADER + "1,00001,1997-01-01,1,11.77\n2,00002,1997-01-12,3,77.00\n")
    admin = sales.as_user()
    text = admin.get("/v1/exports/orders?total_from=20").get_data(as_text=True)
    header, row = text.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["total"] == "77.00"


def test_receipts_pay_instalments_in_turn(sales: Harness, customers: dict[str, str]) -> None:
    admin = sales.as_user()
    line = {"product_name": "x", "quantity": "1", "unit_price": "9.00"}
    plan = {"parts": 3, "first_due_on": "2030-01-31"}
    order = {"account_id": customers["ACME"], "currency": "USD", "lines": [line]}
    order["payment_plan"] = plan
    admin.post("/v1/orders", json=order | {"external_id": "1"})
    columns = {"key": "external_id", "order": "order", "on": "received_on", "amount": "amount"}
    rows = "key,order,on,amount\na,1,2026-01-02,4.00\nb,1,2026-01-03,4.00\n"
    money = {"resource": "receipts", "columns": columns, "constants": {"currency": "USD"}}
    job, errors = imported(sales, rows, **money)
    assert (job["created"], errors) == (2, [])
    states = [each["status"] for each in admin.get("/v1/receivables").json["items"]]
    assert states == ["done", "done", "partial"]


def test_an_order_goes_by_the_name_or_key_of_its_opportunity(
    sales: Harness, customers: dict[str, str]
) -> None:
    deal = {"name": "Ten desks", "external_id": "D-1", "amount": "11", "currency": "USD"}
    made = sales.as_user().post("/v1/opportunities", json=deal).json
    job, errors = imported(
        sales,
        "key,deal,customer,date,cds,value\n1,D-1,00001,2026-01-01,1,5\n"
        "2,Ten desks,00001,2026-01-02,1,6\n3,Nobody's,00001,2026-01-03,1,7\n",
        columns={**COLUMNS, "deal": "opportunity"},
    )
    assert (job["created"], errors) == (2, [(4, "opportunity")])
    assert {each["opportunity_id"] for each in orders(sales)} == {made["id"]}
