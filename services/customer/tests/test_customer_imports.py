"""Accounts and contacts out of a file."""

from collections.abc import Callable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from crm_chassis.database import new_id
from crm_chassis.imports import jobs
from crm_chassis.testing_harness import Harness, event

ImportCsv = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]

ACCOUNTS = (
    "external_id,name,parent,owner,phones,emails,addresses,employees,annual_revenue,currency\n"
    "A1,明光杭州,A3,李娜,+86 571 5550 0142; 0571-5550-0143,a@x.example,文一路18号,12,1100.04,CNY\n"
    "A2,明光宁波,明光集团,,,a@x.example;b@x.example,,,,\n"
    "A3,明光集团,,U7,,,,2822,5,USD\n"
)


def user_known(customer: Harness, **values: object) -> str:
    data = {"id": new_id(), "external_id": "U7", "name": "李娜", "team_id": new_id(), **values}
    customer.deliver(event("crm.gateway.user.created.v1", data))
    return str(data["id"])


def listed(customer: Harness, resource: str) -> dict[str, dict[str, Any]]:
    items = customer.as_user().get(f"/v1/{resource}?limit=200").json["items"]
    return {item["external_id"] or item["name"]: item for item in items}


def refusals(errors: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(error["row"], error["column"]) for error in errors]


def test_rows_become_accounts_with_parents_of_the_same_file(
    customer: Harness, import_csv: ImportCsv
) -> None:
    owner = user_known(customer)
    job, errors = import_csv("accounts", ACCOUNTS)
    assert errors == []
    assert (job["state"], job["created"]) == ("done", 3)
    accounts = listed(customer, "accounts")
    group = accounts["A3"]["id"]
    assert [accounts[key]["parent_id"] for key in ("A1", "A2", "A3")] == [group, group, None]
    assert accounts["A1"]["phones"] == ["+8657155500142", "057155500143"]
    assert accounts["A2"]["emails"] == ["a@x.example", "b@x.example"]
    assert (accounts["A1"]["annual_revenue"], accounts["A1"]["employees"]) == ("1100.04", 12)
    assert accounts["A1"]["owner_id"] == accounts["A3"]["owner_id"] == owner
    told = {event.data["external_id"]: event for event in customer.published()}
    assert {event.sequence for event in told.values()} == {1}
    assert told["A2"].data["parent_id"] == group


@pytest.mark.parametrize("time_zone", ["Pacific/Kiritimati", "Etc/GMT+12"])
@pytest.mark.parametrize("resource", ["accounts", "contacts"])
def test_a_new_customer_is_one_since_today_where_the_business_is(
    customer: Harness, import_csv: ImportCsv, time_zone: str, resource: str
) -> None:
    """It is another day in one of the two places than in UTC."""
    import_csv(resource, "external_id,name\nX1,明光\n")
    today = datetime.now(ZoneInfo(time_zone)).date()
    assert listed(customer, resource)["X1"]["created_on"] == today.isoformat()


def test_a_second_run_changes_nothing_and_a_new_value_is_one_change(
    customer: Harness, import_csv: ImportCsv
) -> None:
    user_known(customer)
    import_csv("accounts", ACCOUNTS)
    told = len(customer.published())
    job, _ = import_csv("accounts", ACCOUNTS)
    assert (job["created"], job["changed"], job["unchanged"]) == (0, 0, 3)
    assert len(customer.published()) == told
    job, _ = import_csv("accounts", ACCOUNTS.replace(",2822,", ",2823,"))
    assert (job["created"], job["changed"], job["unchanged"]) == (0, 1, 2)
    assert customer.published()[-1].data["employees"] == 2823


def test_parents_come_from_earlier_chunks_and_never_from_later_ones(
    customer: Harness, import_csv: ImportCsv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", 2)
    rows = "external_id,name,parent\nP1,Top,\nP2,Two,P1\nP3,Three,Two\nP4,Four,P5\nP5,Five,\n"
    job, errors = import_csv("accounts", rows)
    assert refusals(errors) == [(5, "parent")]
    assert (job["created"], job["failed"]) == (4, 1)
    accounts = listed(customer, "accounts")
    assert accounts["P3"]["parent_id"] == accounts["P2"]["id"]


def test_circles_unknown_and_ambiguous_parents_are_refused(
    customer: Harness, import_csv: ImportCsv
) -> None:
    import_csv("accounts", "external_id,name,parent\nC1,One,\nC2,Two,C1\nX1,Same,\nX2,Same,\n")
    rows = (
        "external_id,name,parent\n"
        "C1,One,C2\n"  # closes a circle with what is stored
        "N1,New,N2\n"  # wait for each other
        "N2,Newer,N1\n"
        "N3,Own,Own\n"
        "N4,Unsure,Same\n"
        "N5,Lost,Nowhere\n"
        "N6,Fine,C2\n"
    )
    job, errors = import_csv("accounts", rows)
    assert refusals(errors) == [(number, "parent") for number in range(2, 8)]
    assert (job["created"], job["changed"]) == (1, 0)
    assert listed(customer, "accounts")["C1"]["parent_id"] is None


def test_a_file_takes_no_account_out_of_the_pool(customer: Harness, import_csv: ImportCsv) -> None:
    owner = user_known(customer)
    rows = "external_id,name,owner\nF1,Free,U7\nF2,Owned,U7\n"
    free = {"external_id": "F1", "name": "Free", "owner_id": None}
    key = customer.as_user().post("/v1/accounts", json=free).json["id"]
    import_csv("accounts", "external_id,name\nF2,Owned\n")
    job, errors = import_csv("accounts", rows)
    assert refusals(errors) == [(2, "owner")]
    assert f"/v1/pool/{key}/assign" in errors[0]["detail"]
    assert (job["changed"], job["failed"]) == (1, 1)
    accounts = listed(customer, "accounts")
    assert [accounts[each]["owner_id"] for each in ("F1", "F2")] == [None, owner]
    job, _ = import_csv("accounts", "external_id,name,owner\nF1,Free of anybody,\nF2,Owned,\n")
    assert (job["changed"], job["unchanged"]) == (1, 1)
    assert listed(customer, "accounts")["F2"]["owner_id"] == owner


def test_two_moves_of_one_file_cannot_close_a_circle(
    customer: Harness, import_csv: ImportCsv
) -> None:
    import_csv("accounts", "external_id,name\nC1,One\nC2,Two\n")
    job, errors = import_csv("accounts", "external_id,name,parent\nC1,One,C2\nC2,Two,C1\n")
    assert refusals(errors) == [(3, "parent")]
    assert (job["changed"], job["failed"]) == (1, 1)


def test_unreadable_cells_refuse_the_row_and_name_the_column(
    customer: Harness, import_csv: ImportCsv
) -> None:
    rows = (
        "external_id,name,phones,emails,level,owner,annual_revenue,website\n"
        "B1,One,+86 571 5550 0142; call me,,,,,\n"
        "B2,Two,,nobody,,,,\n"
        "B3,Three,,,D,,,\n"
        "B4,Four,,,,Nobody,,\n"
        "B5,Five,,,,,1100.04,\n"
        "B6,Six,,,,,,not a site\n"
        "B7,Seven,12345,,A,,,example.com\n"
    )
    job, errors = import_csv("accounts", rows)
    assert [(error["row"], error["field"], error["column"]) for error in errors] == [
        (2, "phones", "phones"),
        (3, "emails", "emails"),
        (4, "level", "level"),
        (5, "owner", "owner"),
        (6, "currency", None),
        (7, "website", "website"),
    ]
    assert "call me" in errors[0]["detail"]
    assert (job["created"], job["failed"]) == (1, 6)
    assert list(listed(customer, "accounts")) == ["B7"]


def test_a_dry_run_reports_and_keeps_nothing(customer: Harness, import_csv: ImportCsv) -> None:
    user_known(customer)
    job, errors = import_csv("accounts", ACCOUNTS, dry_run=True)
    assert (job["created"], errors) == (3, [])
    assert listed(customer, "accounts") == {}
    assert customer.published() == []


def test_a_dry_run_knows_the_parents_that_earlier_chunks_would_make(
    customer: Harness, import_csv: ImportCsv, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "CHUNK_ROWS", 2)
    rows = (
        "external_id,name,parent\n"
        "P1,Top,P7\n"  # comes later: refused, and with it all that stand below
        "P2,Two,\n"
        "P3,Three,P2\n"
        "P4,Four,P1\n"
        "P5,Five,Three\n"
        "P6,Six,P4\n"
        "P7,Seven,P5\n"
        "P8,Eight,Seven\n"
    )
    reports = [import_csv("accounts", rows, dry_run=dry_run) for dry_run in (True, False)]
    assert [refusals(errors) for _, errors in reports] == [
        [(2, "parent"), (5, "parent"), (7, "parent")]
    ] * 2
    assert [job["created"] for job, _ in reports] == [5, 5]


@pytest.mark.parametrize("resource", ["accounts", "contacts"])
def test_a_file_is_taken_only_from_who_may_write_everything(
    customer: Harness, resource: str
) -> None:
    mapping = {"resource": resource, "columns": {"id": "external_id", "name": "name"}}
    for grants, status in (
        ({f"customer.{resource}.write": "subtree"}, 403),
        ({f"customer.{resource}.read": "all"}, 403),
        ({f"customer.{resource}.write": "all"}, 201),
    ):
        opened = customer.as_user(grants).post("/v1/imports", json=mapping)
        assert opened.status_code == status


def test_rows_become_contacts_of_known_accounts_once(
    customer: Harness, import_csv: ImportCsv
) -> None:
    owner = user_known(customer)
    import_csv("accounts", "external_id,name\nA1,明光杭州\nA2,明光宁波\n")
    rows = (
        "external_id,name,account,owner,sex,phones,created_on\n"
        "K1,王芳,A1,U7,女,+86 139 0555 0142,2024-02-29\n"
        "K2,李雷,明光宁波,,,,\n"
        "K3,韩梅,Nowhere,,,,\n"
        "K4,林涛,,,,12,\n"
    )
    job, errors = import_csv("contacts", rows)
    assert refusals(errors) == [(4, "account"), (5, "phones")]
    assert job["created"] == 2
    contacts, accounts = listed(customer, "contacts"), listed(customer, "accounts")
    assert contacts["K1"]["account_id"] == accounts["A1"]["id"]
    assert contacts["K2"]["account_id"] == accounts["A2"]["id"]
    assert (contacts["K1"]["owner_id"], contacts["K1"]["sex"]) == (owner, "女")
    assert contacts["K1"]["created_on"] == "2024-02-29"
    job, _ = import_csv("contacts", rows)
    assert (job["created"], job["changed"], job["unchanged"], job["failed"]) == (0, 0, 2, 2)


def test_what_is_exported_is_imported_again_unchanged(
    customer: Harness, import_csv: ImportCsv
) -> None:
    user_known(customer)
    import_csv("accounts", ACCOUNTS)
    exported = customer.as_user().get("/v1/exports/accounts").text
    header, *lines = exported.splitlines()
    assert len(lines) == 3
    taken = ("external_id", "name", "phones", "emails", "addresses", "annual_revenue", "currency")
    columns = {name: name if name in taken else [] for name in header.split(",")}
    job, errors = import_csv("accounts", exported.replace("\r\n", "\n"), columns=columns)
    assert errors == []
    assert job["unchanged"] == 3


def test_a_cell_holds_no_more_entries_than_a_customer(
    customer: Harness, import_csv: ImportCsv
) -> None:
    twenty = ";".join(["12345"] * 20)
    rows = f"external_id,name,phones\nM1,Most,{twenty}; ;\nM2,More,{twenty};12345\n"
    job, errors = import_csv("accounts", rows)
    assert refusals(errors) == [(3, "phones")]
    assert len(listed(customer, "accounts")["M1"]["phones"]) == 20
    assert job["created"] == 1
