"""Amounts in a base currency, at the rate that was in force when a deal got its currency."""

import io
from typing import Any

import pytest

from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, problem_fields
from crm_sales.app import DEFINITION

DEAL = {"name": "x", "amount": "1000", "currency": "CNY", "opened_on": "2026-03-15"}


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def with_rates(sales: Harness) -> Caller:
    admin = sales.as_user()
    chosen = admin.put("/v1/settings/currency", json={"base_currency": "EUR"}, headers=tag(0))
    assert chosen.status_code == 200
    for day, rate in (("2026-01-01", "0.13"), ("2026-03-01", "0.125"), ("2026-04-01", "0.12")):
        new = {"currency": "CNY", "valid_from": day, "rate": rate}
        assert admin.put("/v1/exchange-rates", json=new).status_code == 200
    return admin


def base_of(deal: dict[str, Any]) -> tuple[Any, Any, Any]:
    return deal["exchange_rate"], deal["base_amount"], deal["base_currency"]


def test_without_a_base_currency_nothing_is_converted(sales: Harness) -> None:
    admin = sales.as_user()
    assert admin.get("/v1/settings/currency").json["base_currency"] is None
    assert base_of(admin.post("/v1/opportunities", json=DEAL).json) == (None, None, None)
    rate = {"currency": "CNY", "valid_from": "2026-01-01", "rate": "0.13"}
    assert admin.put("/v1/exchange-rates", json=rate).status_code == 409


def test_the_base_currency_is_chosen_by_who_saw_which_one_it_was(sales: Harness) -> None:
    admin, path = sales.as_user(), "/v1/settings/currency"
    assert admin.get(path).headers["ETag"] == '"0"'
    assert admin.put(path, json={"base_currency": "EUR"}).status_code == 428
    first = admin.put(path, json={"base_currency": "EUR"}, headers=tag(0))
    assert (first.status_code, first.headers["ETag"]) == (200, '"1"')
    assert admin.put(path, json={"base_currency": "USD"}, headers=tag(0)).status_code == 412
    assert admin.get(path).json == {"base_currency": "EUR", "version": 1}
    assert admin.put(path, json={"base_currency": "USD"}, headers=tag(1)).json["version"] == 2


def test_a_deal_keeps_the_rate_of_its_entry(anywhere: Harness) -> None:
    admin = with_rates(anywhere)
    deal = admin.post("/v1/opportunities", json=DEAL).json
    assert base_of(deal) == ("0.125", "125.00", "EUR")
    path = f"/v1/opportunities/{deal['id']}"
    raised = admin.patch(path, json={"amount": "1000.10"}, headers=tag(1)).json
    assert base_of(raised) == ("0.125", "125.01", "EUR")
    home = admin.patch(path, json={"currency": "EUR"}, headers=tag(2)).json
    assert base_of(home) == ("1", "1000.10", "EUR")
    told = anywhere.published()[-1].data
    assert (told["exchange_rate"], told["base_amount"]) == ("1", "1000.10")
    won = admin.post(f"{path}/win", json={"amount": "5"}, headers=tag(3)).json
    assert won["base_amount"] == "5.00"


def test_a_missing_rate_is_a_named_problem(sales: Harness) -> None:
    admin = with_rates(sales)
    for deal in ({**DEAL, "opened_on": "2025-12-31"}, {**DEAL, "currency": "USD"}):
        refused = admin.post("/v1/opportunities", json=deal)
        assert refused.json["type"] == "urn:crm:problem:exchange-rate-missing"
        assert problem_fields(refused) == ["currency"]
    assert sales.published("crm.sales.opportunity.opened.v1") == []


def test_a_deal_from_before_the_base_currency_gets_its_rate_with_its_next_amount(
    sales: Harness,
) -> None:
    deal = sales.as_user().post("/v1/opportunities", json={**DEAL, "currency": "EUR"}).json
    admin = with_rates(sales)
    path = f"/v1/opportunities/{deal['id']}"
    renamed = admin.patch(path, json={"name": "y"}, headers=tag(1)).json
    assert base_of(renamed) == (None, None, None)
    changed = admin.patch(path, json={"amount": "7"}, headers=tag(2)).json
    assert base_of(changed) == ("1", "7.00", "EUR")


def test_lines_are_converted_with_the_deal(sales: Harness) -> None:
    admin = with_rates(sales)
    product = {"name": "GTX", "list_price": "80", "currency": "CNY"}
    product_id = admin.post("/v1/products", json=product).json["id"]
    deal = admin.post("/v1/opportunities", json=DEAL).json
    path = f"/v1/opportunities/{deal['id']}"
    lines = {"lines": [{"product_id": product_id, "quantity": "2"}]}
    assert admin.put(f"{path}/line-items", json=lines, headers=tag(1)).status_code == 200
    assert base_of(admin.get(path).json) == ("0.125", "20.00", "EUR")


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"rate": "0"}, "rate"),
        ({"rate": "-1"}, "rate"),
        ({"rate": 0.5}, "rate"),
        ({"rate": "1e-3"}, "rate"),
        ({"rate": "0.12345678901"}, "rate"),
        ({"currency": "EUR"}, "currency"),
        ({"currency": "XAU"}, "currency"),
        ({"currency": "XYZ"}, "currency"),
        ({"valid_from": "2026-02-30"}, "valid_from"),
    ],
)
def test_hostile_rates_are_named_problems(
    sales: Harness, values: dict[str, Any], field: str
) -> None:
    admin = with_rates(sales)
    rate = {"currency": "USD", "valid_from": "2026-01-01", "rate": "1.1", **values}
    assert problem_fields(admin.put("/v1/exchange-rates", json=rate)) == [field]


def test_an_amount_too_large_in_the_base_currency_is_refused(sales: Harness) -> None:
    admin = with_rates(sales)
    rate = {"currency": "KWD", "valid_from": "2026-01-01", "rate": "99999999.5"}
    assert admin.put("/v1/exchange-rates", json=rate).status_code == 200
    deal = {**DEAL, "currency": "KWD", "amount": "99999999999999"}
    assert problem_fields(admin.post("/v1/opportunities", json=deal)) == ["amount"]


def test_a_rate_is_set_once_for_a_day_and_then_replaced(sales: Harness) -> None:
    admin = with_rates(sales)
    new = {"currency": "CNY", "valid_from": "2026-01-01", "rate": "0.14"}
    assert admin.put("/v1/exchange-rates", json=new).headers["ETag"] == '"2"'
    rates = admin.get("/v1/exchange-rates?currency=CNY&sort=valid_from").json["items"]
    assert [rate["rate"] for rate in rates] == ["0.14", "0.125", "0.12"]
    assert len(sales.published("crm.sales.exchange_rate.set.v1")) == 4


def test_currencies_are_never_mixed_in_totals(anywhere: Harness) -> None:
    admin = anywhere.as_user()
    admin.post("/v1/opportunities", json={**DEAL, "currency": "USD", "stage": "proposal"})
    with_rates(anywhere)
    admin.post("/v1/opportunities", json=DEAL)
    admin.post("/v1/opportunities", json={**DEAL, "currency": "EUR", "stage": "proposal"})
    totals = admin.get("/v1/opportunities/totals?stage_type=open").json
    found = {
        total["currency"]: (total["count"], total["amount"], total["weighted_amount"])
        for total in totals["by_currency"]
    }
    assert found == {
        "CNY": (1, "1000.00", "100.00"),
        "EUR": (1, "1000.00", "500.00"),
        "USD": (1, "1000.00", "500.00"),
    }
    assert totals["in_base"] == [
        {"currency": "EUR", "count": 2, "amount": "1125.00", "weighted_amount": "512.50"}
    ]
    mine = anywhere.as_user({"sales.opportunities.read": "own"})
    assert mine.get("/v1/opportunities/totals").json == {"by_currency": [], "in_base": []}


def imported(sales: Harness, resource: str, columns: str, rows: str) -> dict[str, Any]:
    admin = sales.as_user()
    names = columns.split(",")
    mapping = {"resource": resource, "key": names[0], "columns": {name: name for name in names}}
    job = admin.post("/v1/imports", json=mapping).json
    content = io.BytesIO(f"{columns}\n{rows}".encode())
    admin.put(f"/v1/imports/{job['id']}/content", input_stream=content)
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    return admin.get(f"/v1/imports/{job['id']}").json


def test_rates_are_imported(sales: Harness) -> None:
    with_rates(sales)
    rows = "USD,2026-01-01,0.9\nUSD,2026-01-01,0.91\nCNY,2026-03-01,0.125\nEUR,2026-01-01,1\n"
    job = imported(sales, "exchange-rates", "currency,valid_from,rate", rows)
    counts = (job["created"], job["changed"], job["unchanged"], job["failed"])
    assert counts == (1, 1, 1, 1)


def test_imported_deals_are_converted_each_at_the_rate_of_its_day(anywhere: Harness) -> None:
    admin = with_rates(anywhere)
    columns = "external_id,amount,currency,opened_on"
    rows = (
        "A,100,CNY,2026-01-02\nB,100,CNY,2026-04-02\nC,100,CNY,2025-01-01\nD,100,EUR,2000-01-01\n"
    )
    job = imported(anywhere, "opportunities", columns, rows)
    assert (job["created"], job["failed"]) == (3, 1)
    deals = {d["external_id"]: d for d in admin.get("/v1/opportunities").json["items"]}
    assert {name: deal["base_amount"] for name, deal in deals.items()} == {
        "A": "13.00",
        "B": "12.00",
        "D": "100.00",
    }
    rows = rows.replace("A,100,", "A,200,")
    assert imported(anywhere, "opportunities", columns, rows)["changed"] == 1
    assert admin.get(f"/v1/opportunities/{deals['A']['id']}").json["base_amount"] == "26.00"
