"""Duplicates: told on entry, proposed after conversions, found over the stock."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event
from crm_contracts import catalogue
from crm_customer.app import create_app
from crm_customer.duplicates.identity import identity_of, keys_of
from crm_customer.duplicates.models import duplicate_keys
from crm_customer.duplicates.scoring import compare
from crm_customer.kinds import KindName

PERSON: dict[str, Any] = {
    "id": "1",
    "name": "",
    "phones": [],
    "emails": [],
    "addresses": [],
    "region": None,
    "birthday": None,
    "sex": None,
    "account_id": None,
    "account_name": None,
}
COMPANY: dict[str, Any] = {
    "id": "1",
    "kind": "business",
    "name": "",
    "phones": [],
    "emails": [],
    "addresses": [],
    "region": None,
    "website": None,
    "parent_id": None,
}
BOB = {"name": "Robert Miller", "phones": ["+447900123456"], "emails": ["bob@miller.example"]}


def score(kind: KindName, one: dict[str, Any], other: dict[str, Any]) -> int:
    """Percent, or 0 where the two would not be compared at all."""
    blank = PERSON if kind == "contact" else COMPANY
    first, second = (
        identity_of(kind, SimpleNamespace(**{**blank, **values, "id": key}))
        for key, values in (("1", one), ("2", other))
    )
    assert compare(first, second) == compare(second, first)
    return compare(first, second).score if keys_of(first) & keys_of(second) else 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("王芳", "王 芳"),
        ("王芳", "王芳女士"),
        ("王小明", "Wang Xiaoming"),
        ("王小明", "Xiao-Ming WANG"),
        ("王小明", "王晓明"),  # a homophone
        ("欧阳修远", "Xiuyuan Ouyang"),
        ("José García", "GARCIA, Jose"),
        ("Ｊｏｓé García", "Jose Garcia"),
        ("Jonathan Smith", "Jonathon Smith"),
        ("Łukasz Dvořák", "Lukasz Dvorak"),
        ("Dr. Anna Smith", "Anna B. Smith"),
    ],
)
def test_a_person_is_recognised_by_a_telephone_and_a_name_however_written(
    one: str, other: str
) -> None:
    phones = {"phones": ["+8613800138000"]}, {"phones": ["138 0013 8000"]}
    assert score("contact", {"name": one, **phones[0]}, {"name": other, **phones[1]}) >= 90


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Anna Smith", "Peter Smith"),
        ("王小明", "王小红"),
        ("王小明", "王小敏"),
        ("James Hill", "James Hill jr."),
    ],
)
def test_a_family_is_not_one_person(one: str, other: str) -> None:
    home = {
        "phones": ["+442079460958"],
        "emails": ["family@home.example"],
        "addresses": ["12 Main Street, Springfield 12345"],
    }
    assert score("contact", {"name": one, **home}, {"name": other, **home}) < 50


def test_namesakes_are_told_apart() -> None:
    born = date(1980, 5, 17), date(1991, 2, 3)
    office = {"account_id": "7", "account_name": "Northwind", "phones": ["+442079460958"]}
    one = {"name": "张伟", **office, "birthday": born[0]}
    assert score("contact", one, {**one, "birthday": born[1]}) < 50
    assert score("contact", {"name": "张伟", "birthday": born[0]}, {"name": "张伟"}) == 0
    mail = {"name": "张伟", "account_id": "7", "account_name": "Northwind"}
    colleagues = ({**mail, "emails": [f"zhang.wei{n}@northwind.example"]} for n in (1, 2))
    assert score("contact", *colleagues) < 50


def test_what_stands_in_another_fields_place_is_found_there() -> None:
    one = {"name": "Robert Miller", "addresses": ["bob@miller.example", "+44 7900 123456"]}
    assert score("contact", BOB, one) >= 90


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Northwind Traders Ltd.", "NORTHWIND TRADERS LIMITED"),
        ("Northwind Traders", "The Northwind-Traders Co., Inc."),
        ("Müller Söhne GmbH", "Muller Sohne G.m.b.H."),
        ("北京明光科技有限公司", "明光科技（北京）股份有限公司"),
        ("明光科技有限公司", "明光科技"),
        ("Bergmann AG", "Bergmann SE"),
    ],
)
def test_a_company_is_recognised_without_its_legal_form(one: str, other: str) -> None:
    assert score("account", {"name": one}, {"name": other}) >= 90


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("北京明光科技有限公司", "上海明光科技有限公司"),
        ("明光科技有限公司", "明星科技有限公司"),
        ("Store 12", "Store 13"),
        ("Northwind Traders", "Northwind Holdings"),
    ],
)
def test_other_companies_are_others(one: str, other: str) -> None:
    same = {"phones": ["+442079460958"]}
    assert score("account", {"name": one, **same}, {"name": other, **same}) < 50


def test_a_subsidiary_is_not_its_parent() -> None:
    shop = {"name": "Northwind", "website": "https://www.northwind.example/shop"}
    assert score("account", shop, {**shop, "website": "northwind.example"}) >= 90
    assert score("account", shop, {**shop, "parent_id": "1"}) < 50


def added(caller: Caller, kind: str = "contacts", **values: Any) -> dict[str, Any]:
    response = caller.post(f"/v1/{kind}", json=values)
    assert response.status_code == 201, response.json
    return response.json


def queue(caller: Caller, **query: Any) -> list[dict[str, Any]]:
    return caller.get("/v1/duplicate-candidates", query_string=query).json["items"]


def test_a_duplicate_is_refused_on_entry_with_what_it_is_like(customer: Harness) -> None:
    rep = customer.as_user()
    known = added(rep, **BOB)
    again = {"name": "MILLER, Robert", "phones": ["07900 123456"]}
    refused = rep.post("/v1/contacts", json=again)
    assert refused.status_code == 409
    assert refused.content_type == "application/problem+json"
    assert refused.json["type"] == "urn:crm:problem:duplicate"
    (candidate,) = refused.json["candidates"]
    assert candidate["id"] == known["id"]
    assert candidate["score"] >= 90
    assert set(candidate["reasons"]) == {"name", "phone"}
    assert refused.json["hidden"] is False
    assert len(customer.published()) == 1
    assert queue(rep) == []


def test_it_is_stored_for_a_reason_which_goes_to_the_review_queue(customer: Harness) -> None:
    rep = customer.as_user()
    known = added(rep, **BOB)
    accepted = added(rep, **BOB, accept_duplicate="His son, of the same name.")
    assert "accept_duplicate" not in accepted
    (pair,) = queue(rep, state="open")
    assert (pair["first_id"], pair["second_id"]) == (known["id"], accepted["id"])
    assert (pair["note"], pair["decided_by"]) == ("His son, of the same name.", rep.id)
    assert pair["origin"] == "entry"


def test_an_account_is_checked_too_and_others_are_let_in(customer: Harness) -> None:
    rep = customer.as_user()
    known = added(rep, "accounts", name="北京明光科技有限公司")
    refused = rep.post("/v1/accounts", json={"name": "明光科技（北京）"})
    assert [each["id"] for each in refused.json["candidates"]] == [known["id"]]
    added(rep, "accounts", name="上海明光科技有限公司")


def entered_at_once(harness: Harness) -> list[int]:
    """What eight callers are told who enter one customer, each written differently."""
    names = ["Robert Miller", "MILLER, Robert", "Miller Robert", "Dr. Robert Miller"]
    bodies = [{**BOB, "name": name} for name in (*names, *map(str.upper, names))]
    caller = harness.as_user()
    caller.get("/v1/contacts")
    with ThreadPoolExecutor(len(bodies)) as pool:
        answers = list(pool.map(lambda body: caller.post("/v1/contacts", json=body), bodies))
    return sorted(answer.status_code for answer in answers)


def test_of_records_alike_that_are_entered_at_once_one_is_let_in(customer: Harness) -> None:
    assert entered_at_once(customer) == [201] + [409] * 7


def test_of_records_alike_that_are_entered_at_once_one_is_let_in_on_postgres_too(
    tmp_path: Path, postgres: Any
) -> None:
    harness = Harness(create_app, "customer", tmp_path, postgres.create_database("customer"))
    assert entered_at_once(harness) == [201] + [409] * 7
    harness.close()


def test_of_a_record_out_of_sight_nothing_is_told_but_that_it_is_there(customer: Harness) -> None:
    added(customer.as_user(), **BOB)
    stranger = customer.as_user({"customer.contacts.*": "own"})
    refused = stranger.post("/v1/contacts", json=BOB)
    assert refused.status_code == 409
    assert (refused.json["candidates"], refused.json["hidden"]) == ([], True)
    added(stranger, name="Somebody Else", phones=BOB["phones"])  # a number alone tells nothing
    added(stranger, **BOB, accept_duplicate="Mine, by the territory plan.")
    assert queue(customer.as_user({"customer.duplicates.read": "all"})) == []
    reviewer = customer.as_user({"customer.duplicates.read": "all", "customer.contacts.*": "own"})
    assert queue(reviewer) == []
    assert len(queue(customer.as_user())) == 1


def test_who_may_not_see_numbers_cannot_confirm_a_guessed_one(customer: Harness) -> None:
    everything = customer.as_user()
    added(everything, name="Robert Miller", phones=["+447900123456"])
    masked = {
        "customer.contacts.read": "all",
        "customer.contacts.write": "all",
        "customer.duplicates.read": "all",
    }
    guesser = customer.as_user(masked)
    added(guesser, name="Robert Miller", phones=["+447900123456"])
    assert queue(everything) == []
    scan(customer, everything)
    assert len(queue(everything)) == 1
    assert queue(guesser) == []


def test_the_keys_follow_the_record(customer: Harness) -> None:
    rep = customer.as_user()
    known = added(rep, **BOB)
    path = f"/v1/contacts/{known['id']}"
    changed = {"phones": ["+447900999999"], "emails": []}
    assert rep.patch(path, json=changed, headers={"If-Match": "1"}).status_code == 200
    added(rep, **BOB)
    renewed = {"name": "Robert Miller", "phones": ["+447900999999"]}
    assert rep.post("/v1/contacts", json=renewed).status_code == 409
    with customer.service.database.reading() as session:
        rows = session.execute(select(duplicate_keys)).all()
    assert len([row for row in rows if row.record_id == known["id"]]) == 1


def test_the_thresholds_can_be_set(customer: Harness) -> None:
    admin = customer.as_user()
    path = "/v1/settings/duplicates/contact"
    seen = {"If-Match": admin.get(path).headers["ETag"]}
    assert admin.get(path).json == {"entry_from": 90, "review_from": 90, "version": 1}
    wanted = {"entry_from": 100, "review_from": 50}
    assert admin.put(path, json=wanted, headers=seen).status_code == 200
    assert admin.get(path).json == {**wanted, "version": 2}
    added(admin, **BOB)
    added(admin, **BOB)
    wrong = {"entry_from": 0, "review_from": 101}
    assert admin.put(path, json=wrong, headers=seen).status_code == 422
    assert admin.put(path, json=wanted, headers=seen).status_code == 412
    assert admin.put(path, json=wanted).status_code == 428
    assert customer.as_user({}).get(path).status_code == 403


def scan(customer: Harness, caller: Caller, kind: str = "contact") -> dict[str, Any]:
    started = caller.post("/v1/duplicate-scans", json={"kind": kind})
    assert started.status_code == 202, started.json
    while customer.service.scheduler.step():
        pass
    return caller.get(f"/v1/duplicate-scans/{started.json['id']}").json


def twice(customer: Harness, caller: Caller, number: int = 1) -> list[dict[str, Any]]:
    """People who are in the stock twice, as a release before this one let them in."""
    found = []
    for each in range(number):
        values = {
            "name": f"Robert Miller{'abcdefghij'[each] * 4}",
            "phones": [f"+44790012345{each}"],
        }
        found.append(added(caller, **values))
        found.append(added(caller, **values, accept_duplicate="-"))
    with customer.service.database.transaction() as session:
        session.connection().exec_driver_sql("DELETE FROM duplicate_candidates")
    return found


def test_a_scan_fills_the_queue_once_and_what_was_dismissed_stays_so(customer: Harness) -> None:
    admin = customer.as_user()
    pair = twice(customer, admin)
    done = scan(customer, admin)
    assert (done["state"], done["progress"], done["found"]) == ("done", 100, 1)
    (candidate,) = queue(admin, state="open", kind="contact")
    assert [candidate["first_id"], candidate["second_id"]] == [each["id"] for each in pair]
    path = f"/v1/duplicate-candidates/{candidate['id']}"
    dismissed = {"state": "dismissed", "note": "Two people."}
    assert admin.put(f"{path}/state", json=dismissed).status_code == 428
    response = admin.put(f"{path}/state", json=dismissed, headers={"If-Match": "1"})
    assert (response.status_code, response.json["state"]) == (200, "dismissed")
    stale = admin.put(f"{path}/state", json={"state": "open"}, headers={"If-Match": "1"})
    assert stale.status_code == 412
    assert scan(customer, admin)["found"] == 0
    assert queue(admin, state="open") == []
    assert [each["note"] for each in queue(admin, state="dismissed")] == ["Two people."]


def test_a_scan_goes_on_where_it_was_and_there_is_one_at_a_time(
    customer: Harness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crm_customer.duplicates.commands._KEYS_A_PART", 3)
    admin = customer.as_user()
    twice(customer, admin, 6)
    started = admin.post("/v1/duplicate-scans", json={"kind": "contact"}).json
    path = f"/v1/duplicate-scans/{started['id']}"
    assert admin.post("/v1/duplicate-scans", json={"kind": "contact"}).status_code == 409
    assert admin.post("/v1/duplicate-scans", json={"kind": "account"}).status_code == 202
    assert customer.service.scheduler.step()
    under_way = admin.get(path).json
    assert under_way["state"] == "running"
    assert 0 < under_way["progress"] < 100
    customer.service.scheduler.step()
    while customer.service.scheduler.step():
        pass
    assert (admin.get(path).json["state"], admin.get(path).json["found"]) == ("done", 6)
    assert len(queue(admin)) == 6


def test_a_line_that_many_share_tells_nothing(customer: Harness) -> None:
    admin = customer.as_user()
    switchboard = ["+442079460958"]
    for name in ("Anna", "Bert", "Cleo", "Dora", "Egon", "Fritz", "Gerda"):
        added(admin, name=f"{name} Hill", phones=switchboard)
    added(admin, name="Anna Hill", phones=switchboard)


def test_lists_are_paged_by_score(customer: Harness) -> None:
    admin = customer.as_user()
    twice(customer, admin, 3)
    scan(customer, admin)
    first = admin.get("/v1/duplicate-candidates?limit=2").json
    rest = admin.get(f"/v1/duplicate-candidates?limit=2&cursor={first['next_cursor']}").json
    assert len({each["id"] for each in first["items"] + rest["items"]}) == 3
    assert rest["next_cursor"] is None


def test_a_conversion_is_never_refused_but_proposed(customer: Harness) -> None:
    admin = customer.as_user()
    known = added(admin, name="王芳", emails=["wang.fang@brightoptics.example"])
    kind = "crm.sales.lead.converted.v1"
    data = catalogue().contract(kind).example["data"]
    account_id, contact_id = new_id(), new_id()
    change = data["change"]
    converted = {
        **data,
        "id": new_id(),
        "change": {
            **change,
            "account": {**change["account"], "id": account_id},
            "contact": {**change["contact"], "id": contact_id, "account_id": account_id},
        },
    }
    told = event(kind, converted)
    customer.deliver(told)
    customer.deliver(told)
    assert admin.get(f"/v1/contacts/{contact_id}").status_code == 200
    (pair,) = queue(admin)
    assert {pair["first_id"], pair["second_id"]} == {known["id"], contact_id}
    assert pair["origin"] == "conversion"


Import = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]
FILE = "external_id,name,phones\nC-1,Robert Miller,+447900123456\nC-2,Anna Hill,\n"


def test_a_file_may_bring_duplicates_in_unless_told_otherwise(
    customer: Harness, import_csv: Import
) -> None:
    added(customer.as_user(), **BOB)
    job, _ = import_csv("contacts", FILE)
    assert (job["created"], job["failed"]) == (2, 0)


def test_a_files_duplicates_are_refused_when_asked(customer: Harness, import_csv: Import) -> None:
    known = added(customer.as_user(), **BOB)
    job, errors = import_csv("contacts", FILE, constants={"on_duplicate": "reject"})
    assert (job["created"], job["failed"]) == (1, 1)
    assert [(each["row"], each["field"]) for each in errors] == [(2, "name")]
    assert known["id"] in errors[0]["detail"]
    again, _ = import_csv("contacts", FILE, constants={"on_duplicate": "reject"})
    assert (again["unchanged"], again["failed"]) == (1, 1)


def test_a_files_duplicates_update_what_is_there_when_asked(
    customer: Harness, import_csv: Import
) -> None:
    admin = customer.as_user()
    known = added(admin, **BOB)
    text = "external_id,name,phones,job_title\nC-1,Miller Robert,+447900123456,Buyer\n"
    job, errors = import_csv("contacts", text, constants={"on_duplicate": "update"})
    assert errors == []
    assert (job["created"], job["changed"]) == (0, 1)
    after = admin.get(f"/v1/contacts/{known['id']}").json
    assert (after["job_title"], after["external_id"]) == ("Buyer", "C-1")
    again, _ = import_csv("contacts", text, constants={"on_duplicate": "update"})
    assert (again["created"], again["unchanged"]) == (0, 1)


def test_duplicates_within_one_file_are_seen(customer: Harness, import_csv: Import) -> None:
    text = FILE + "C-3,Miller Robert,07900123456\n"
    job, errors = import_csv("contacts", text, constants={"on_duplicate": "reject"})
    assert (job["created"], job["failed"]) == (2, 1)
    assert [each["row"] for each in errors] == [4]
