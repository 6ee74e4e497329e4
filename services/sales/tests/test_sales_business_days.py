"""Business days begin and end where the business is, whatever day it is elsewhere."""

import io
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from crm_chassis.imports.runner import ImportRunner
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Harness, event
from crm_sales.app import DEFINITION, create_app

ZONES = {"east": "Pacific/Kiritimati", "west": "Etc/GMT+12"}
"""So far apart that at any time it is another day in one of them than in UTC."""
DEAL = {"name": "北风", "amount": "10", "currency": "CNY", "opened_on": "2026-01-05"}


class Place:
    """The service where its business days are those of a zone."""

    def __init__(self, name: str, folder: Path) -> None:
        self.zone = ZoneInfo(ZONES[name])

        def create(settings: Settings, **parts: Any) -> Flask:
            return create_app(replace(settings, time_zone=self.zone.key), **parts)

        self.sales = Harness(create, "sales", folder)

    @property
    def today(self) -> date:
        return datetime.now(self.zone).date()

    def starts(self, day: str) -> datetime:
        return datetime.fromisoformat(day).replace(tzinfo=self.zone)

    def imported(self, resource: str, row: dict[str, str]) -> dict[str, Any]:
        """The only one of a resource, after a file with this row."""
        admin = self.sales.as_user()
        columns = {name: name for name in row}
        job = admin.post("/v1/imports", json={"resource": resource, "columns": columns}).json
        content = ",".join(row) + "\n" + ",".join(row.values())
        path = f"/v1/imports/{job['id']}"
        admin.put(f"{path}/content", input_stream=io.BytesIO(content.encode()))
        runner = ImportRunner("sales", self.sales.service.database, DEFINITION.importers)
        while runner.step():
            pass
        assert admin.get(path).json["failed"] == 0, admin.get(f"{path}/errors").json
        (found,) = admin.get(f"/v1/{resource}").json["items"]
        return dict(found)


@pytest.fixture(params=list(ZONES))
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    place = Place(request.param, tmp_path)
    yield place
    place.sales.close()


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_what_was_done_on_a_day_gone_by_was_done_by_its_end(place: Place) -> None:
    rep = place.sales.as_user()
    deal = rep.post("/v1/opportunities", json=DEAL)
    won = rep.post(
        f"/v1/opportunities/{deal.json['id']}/win",
        json={"closed_on": "2026-02-01"},
        headers={"If-Match": deal.headers["ETag"]},
    )
    assert moment(won.json["stage_since"]) == place.starts("2026-02-02")
    lead = rep.post("/v1/leads", json={"name": "王小明", "created_on": "2026-01-05"}).json
    converted = {"amount": "1", "currency": "CNY", "converted_on": "2026-01-20"}
    made = rep.post(f"/v1/leads/{lead['id']}/conversion", json=converted).json
    assert moment(rep.get(f"/v1/leads/{lead['id']}").json["status_since"]) == place.starts(
        "2026-01-21"
    )
    opened = rep.get(f"/v1/opportunities/{made['opportunity_id']}").json
    assert moment(opened["stage_since"]) == place.starts("2026-01-21")
    order = {
        "opportunity_id": opened["id"],
        "placed_on": "2026-02-10",
        "currency": "CNY",
        "lines": [{"product_name": "x", "quantity": "1", "unit_price": "1"}],
    }
    assert moment(rep.post("/v1/orders", json=order).json["placed_at"]) == place.starts(
        "2026-02-11"
    )


@pytest.mark.parametrize(
    ("resource", "row", "told"),
    [
        (
            "leads",
            {"name": "王小明", "status": "new", "status_since": "2026-01-05"},
            "status_since",
        ),
        ("opportunities", DEAL | {"stage_since": "2026-01-05"}, "stage_since"),
        (
            "orders",
            {"account": "ACME", "placed_on": "2026-01-05", "currency": "CNY", "amount": "5"},
            "placed_at",
        ),
        (
            "requests",
            {"title": "Modbus", "account": "ACME", "opened_on": "2026-01-05"},
            "opened_at",
        ),
    ],
    ids=["leads", "opportunities", "orders", "requests"],
)
def test_a_day_of_a_file_is_told_as_its_first_moment(
    place: Place, resource: str, row: dict[str, str], told: str
) -> None:
    place.sales.deliver(event("crm.customer.account.created.v1", {"external_id": "ACME"}))
    found = place.imported(resource, {"external_id": "1"} | row)
    assert moment(found[told]) == place.starts("2026-01-05")


def test_a_lead_of_a_file_comes_in_on_the_business_day_that_it_is(place: Place) -> None:
    lead = place.imported("leads", {"external_id": "L-1", "name": "王小明"})
    assert lead["created_on"] == str(place.today)


def test_a_deal_of_a_file_is_worth_what_its_currency_is_on_the_business_day(place: Place) -> None:
    admin = place.sales.as_user()
    admin.put("/v1/settings/currency", json={"base_currency": "EUR"}, headers={"If-Match": '"0"'})
    for days, rate in ((0, "2"), (1, "3")):
        valid_from = str(place.today + timedelta(days=days))
        body = {"currency": "CNY", "valid_from": valid_from, "rate": rate}
        assert admin.put("/v1/exchange-rates", json=body).status_code == 200
    row = {"external_id": "O-1", "amount": "10", "currency": "CNY"}
    assert place.imported("opportunities", row)["base_amount"] == "20.00"
