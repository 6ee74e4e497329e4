"""What is kept of a customer: typed numbers, addresses by their parts, consent, days of birth."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite

from crm_chassis import phones
from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, problem_fields
from crm_customer.consent import ConsentChange, consent_changes

RESOURCES = ("accounts", "contacts")


def add(caller: Caller, resource: str, **values: Any) -> dict[str, Any]:
    response = caller.post(f"/v1/{resource}", json={"name": new_id(), **values})
    assert response.status_code == 201, response.json
    return response.json


def change(caller: Caller, resource: str, customer: dict[str, Any], **changes: Any) -> Any:
    path = f"/v1/{resource}/{customer['id']}"
    seen = {"If-Match": f'"{customer["version"]}"'}
    return caller.patch(path, json=changes, headers=seen)


@pytest.fixture
def in_china(customer: Harness) -> Any:
    phones.use_region("CN")
    yield customer
    phones.use_region("")


@pytest.mark.parametrize("resource", RESOURCES)
def test_numbers_are_kept_as_e164_and_as_typed(in_china: Harness, resource: str) -> None:
    user = in_china.as_user()
    typed = ["0571 5550-0143", "+41 44 555 01 42", "10086"]
    added = add(user, resource, phones=typed)
    assert added["phones"] == ["+8657155500143", "+41445550142", "10086"]
    assert added["phones_typed"] == typed
    told = in_china.published(f"crm.customer.{resource[:-1]}.created.v1")[-1].data
    assert told["phones"] == added["phones"]
    assert "phones_typed" not in told
    for written in ("0571-55500143", "%2B86 571 5550 0143", "０５７１ 5550 0143"):
        found = user.get(f"/v1/{resource}?phone={written}").json["items"]
        assert [each["id"] for each in found] == [added["id"]]
    changed = change(user, resource, added, phones=["+41445550142", "12345"]).json
    assert changed["phones_typed"] == ["+41 44 555 01 42", "12345"]


@pytest.mark.parametrize("resource", RESOURCES)
def test_the_typed_form_is_masked_wherever_the_number_is(in_china: Harness, resource: str) -> None:
    user = in_china.as_user()
    added = add(user, resource, phones=["0571 5550-0143"])
    reader = in_china.as_user({f"customer.{resource}.{what}": "all" for what in ("read", "write")})
    path = f"/v1/{resource}/{added['id']}"
    shown = [
        reader.get(path).json,
        reader.get(f"/v1/{resource}").json["items"][0],
        change(reader, resource, added, needs="x").json,
    ]
    for each in shown:
        assert (each["phones"], each["phones_typed"]) == (["****0143"], ["****0143"])
    exported = reader.get(f"/v1/exports/{resource}").text
    assert "5550" not in exported
    assert "****0143" in exported
    for part in ("0571", "5550-0143", "57155500143"):
        assert reader.get(f"/v1/{resource}?q={part}").json["items"] == []
    assert reader.get(f"/v1/{resource}?phone=0571 5550-0143").status_code == 403
    for sort in ("phones", "phones_typed", "typed_phones"):
        assert problem_fields(reader.get(f"/v1/{resource}?sort={sort}")) == ["sort"]
    assert "0571 5550-0143" in user.get(f"/v1/exports/{resource}").text


@pytest.mark.parametrize("resource", RESOURCES)
def test_addresses_are_given_in_one_line_or_by_their_parts(
    customer: Harness, resource: str
) -> None:
    user = customer.as_user()
    office = {
        "line1": "文一路18号",
        "line2": "3楼",
        "city": "杭州",
        "region": "浙江",
        "postal_code": "310012",
        "country": "CN",
        "kind": "office",
    }
    delivery = {**office, "kind": "delivery"}
    added = add(user, resource, postal_addresses=[office, delivery, {"line1": "x", "city": None}])
    line = "文一路18号, 3楼, 杭州, 浙江, 310012, CN"
    assert added["addresses"] == [line, line, "x"]
    assert added["postal_addresses"] == [office, delivery, {"line1": "x"}]
    told = customer.published()[-1].data
    assert told["addresses"] == added["addresses"]
    assert told["postal_addresses"] == added["postal_addresses"]
    # as a client does that knows lines alone
    changed = change(user, resource, added, addresses=[line, "Bahnhofstrasse 1, Zürich"]).json
    assert changed["postal_addresses"] == [office, {"line1": "Bahnhofstrasse 1, Zürich"}]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"postal_addresses": [{"city": "杭州"}]}, "postal_addresses.0.line1"),
        ({"postal_addresses": [{"line1": "x", "country": "China"}]}, "postal_addresses.0.country"),
        ({"postal_addresses": [{"line1": "x", "kind": "villa"}]}, "postal_addresses.0.kind"),
        ({"postal_addresses": [{"line1": "x", "street": "y"}]}, "postal_addresses.0.street"),
        ({"postal_addresses": [{"line1": "x" * 450, "line2": "y" * 60}]}, "postal_addresses.0"),
        ({"postal_addresses": [{"line1": "x"}] * 21}, "postal_addresses"),
        ({"postal_addresses": [], "addresses": []}, "postal_addresses"),
        ({"consent": {"pigeon": {"state": "granted"}}}, "consent.pigeon.key"),
        ({"consent": {"email": {"state": "maybe"}}}, "consent.email.value.state"),
        ({"consent": {"email": "granted"}}, "consent.email.value"),
        ({"consent": {"sms": {"state": "granted", "at": "today"}}}, "consent.sms.value.at"),
        ({"emails": ["a b@x.example"]}, "emails.0"),
        ({"emails": ["a@localhost"]}, "emails.0"),
        ({"emails": ["a" * 250 + "@x.example"]}, "emails.0"),
    ],
)
@pytest.mark.parametrize("resource", RESOURCES)
def test_what_is_wrong_is_named(
    customer: Harness, resource: str, values: dict[str, Any], named: str
) -> None:
    refused = customer.as_user().post(f"/v1/{resource}", json={"name": "x", **values})
    assert problem_fields(refused) == [named]
    assert customer.published() == []


def test_emails_are_checked_by_their_syntax_in_any_script(customer: Harness) -> None:
    emails = ["王芳@明光.example", "O'Neil+crm@X.Example"]
    added = add(customer.as_user(), "contacts", emails=emails)
    assert added["emails"] == ["王芳@明光.example", "O'Neil+crm@x.example"]


@pytest.mark.parametrize("resource", RESOURCES)
def test_consent_is_kept_by_channel_with_a_log_of_its_changes(
    customer: Harness, resource: str
) -> None:
    user = customer.as_user()
    asked = {"state": "granted", "source": "fair", "at": "2026-03-01T10:00:00+08:00"}
    added = add(user, resource, consent={"email": asked})
    kept = {**asked, "at": "2026-03-01T02:00:00Z"}
    assert added["consent"] == {"email": kept}
    assert customer.published()[-1].data["consent"] == {"email": "granted"}
    changed = change(user, resource, added, consent={"sms": {"state": "refused"}}).json
    assert changed["consent"]["email"] == kept
    said = changed["consent"]["sms"]
    assert (said["state"], said["source"]) == ("refused", None)
    now = datetime.now(UTC)
    assert now - timedelta(minutes=5) < datetime.fromisoformat(said["at"]) <= now
    same = change(user, resource, changed, consent={"sms": {"state": "refused"}}).json
    assert same["version"] == changed["version"]
    withdrawn = change(user, resource, changed, consent={"email": {"state": "refused"}}).json
    told = customer.published()[-1]
    assert told.data["consent"] == {"email": "refused", "sms": "refused"}
    log = user.get(f"/v1/{resource}/{added['id']}/consent-log").json["items"]
    assert [(line["channel"], line["state"], line["source"]) for line in log] == [
        ("email", "refused", None),
        ("sms", "refused", None),
        ("email", "granted", "fair"),
    ]
    assert log[2]["at"] == kept["at"]
    assert {line["actor_id"] for line in log} == {user.id}
    one = user.get(f"/v1/{resource}/{withdrawn['id']}/consent-log?channel=sms&limit=1").json
    assert ([line["channel"] for line in one["items"]], one["next_cursor"]) == (["sms"], None)


@pytest.mark.parametrize("resource", RESOURCES)
def test_the_log_of_consent_is_seen_by_who_sees_the_customer(
    customer: Harness, resource: str
) -> None:
    added = add(customer.as_user(), resource, consent={"post": {"state": "unknown"}})
    stranger = customer.as_user({f"customer.{resource}.*": "own"})
    assert stranger.get(f"/v1/{resource}/{added['id']}/consent-log").status_code == 404
    outsider = customer.as_user({"sales.*": "all"})
    assert outsider.get(f"/v1/{resource}/{added['id']}/consent-log").status_code == 403


def test_the_log_of_consent_walks_an_index(customer: Harness) -> None:
    newest = consent_changes(new_id()).order_by(
        ConsentChange.created_at.desc(), ConsentChange.id.desc()
    )
    query = newest.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with customer.service.database.reading() as session:
        plan = [row.detail for row in session.execute(text(f"EXPLAIN QUERY PLAN {query}"))]
    assert "USING INDEX consent_changes_by_created_at" in plan[0]
    assert len(plan) == 1


def test_a_birthday_is_a_day_that_has_been(customer: Harness) -> None:
    user = customer.as_user()
    born = add(user, "contacts", birthday="1988-02-29")
    assert born["birthday"] == "1988-02-29"
    assert customer.published()[-1].data["birthday"] == "1988-02-29"
    tomorrow = (datetime.now(UTC) + timedelta(days=2)).date().isoformat()
    for wrong in (tomorrow, "1987-02-29", "29 February"):
        refused = user.post("/v1/contacts", json={"name": "x", "birthday": wrong})
        assert problem_fields(refused) == ["birthday"]
    assert change(user, "contacts", born, birthday=None).json["birthday"] is None
