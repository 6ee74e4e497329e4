"""Custom fields of accounts and contacts: declared, validated, found, told of, moved in and out."""

import csv
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, text
from sqlalchemy.event import listen, remove

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_chassis.testing_servers import PostgresServer
from crm_customer.app import create_app

ImportCsv = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]

DECLARED: dict[str, dict[str, Any]] = {
    "nickname": {"type": "text"},
    "machines": {"type": "number"},
    "budget": {"type": "decimal"},
    "contract_until": {"type": "date"},
    "grade": {"type": "choice", "options": ["金", "银", "bronze, plated"]},
    "interests": {"type": "multiple_choice", "options": ["service", "parts", "training"]},
    "exporter": {"type": "boolean"},
    "partner": {"type": "reference", "target": "accounts"},
}
VALUES: dict[str, Any] = {
    "nickname": '明光 "the" \\ light',
    "machines": 12,
    "budget": "1250.5",
    "contract_until": "2027-03-31",
    "grade": "金",
    "interests": ["parts", "service"],
    "exporter": True,
}
KEPT = VALUES | {"budget": "1250.50", "interests": ["service", "parts"]}


def declare(caller: Caller, key: str, resource: str = "accounts", **values: Any) -> dict[str, Any]:
    body = {"resource": resource, "key": key, "label": key.title(), "type": "text", **values}
    response = caller.post("/v1/custom-fields", json=body)
    assert response.status_code == 201, response.json
    return response.json


def change(caller: Caller, field: dict[str, Any], **changes: Any) -> Any:
    path, seen = f"/v1/custom-fields/{field['id']}", {"If-Match": f'"{field["version"]}"'}
    return caller.patch(path, json=changes, headers=seen)


def names(caller: Caller, query: str) -> list[str]:
    response = caller.get(f"/v1/accounts?sort=created_at&{query}")
    assert response.status_code == 200, response.json
    return [account["name"] for account in response.json["items"]]


@pytest.fixture(params=["sqlite", "postgresql"])
def customer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database("customer")
    harness = Harness(create_app, "customer", tmp_path, url)
    yield harness
    harness.close()


@pytest.fixture
def user(customer: Harness) -> Caller:
    caller = customer.as_user()
    for key, values in DECLARED.items():
        declare(caller, key, **values)
    return caller


def add(caller: Caller, name: str, **custom: Any) -> dict[str, Any]:
    response = caller.post("/v1/accounts", json={"name": name, "custom": custom})
    assert response.status_code == 201, response.json
    return response.json


def test_a_declared_field_is_stored_shown_and_told_of_at_once(
    customer: Harness, user: Caller
) -> None:
    partner = add(user, "甲")
    account = add(user, "乙", **VALUES, partner=partner["id"])
    kept = KEPT | {"partner": partner["id"]}
    assert account["custom"] == kept
    assert user.get(f"/v1/accounts/{account['id']}").json["custom"] == kept
    assert customer.published()[-1].data["custom"] == kept
    (listed,) = user.get("/v1/accounts?name=乙").json["items"]
    assert listed["custom"] == kept


def test_a_change_touches_the_fields_it_names(customer: Harness, user: Caller) -> None:
    account = add(user, "甲", **VALUES)
    path = f"/v1/accounts/{account['id']}"
    changed = user.patch(
        path, json={"custom": {"machines": 13, "exporter": None}}, headers={"If-Match": '"1"'}
    )
    expected = {**KEPT, "machines": 13}
    del expected["exporter"]
    assert changed.json["custom"] == expected
    told = customer.published("crm.customer.account.changed.v1")
    assert told[-1].data["custom"] == expected
    again = user.patch(
        path, json={"custom": {"machines": 13}}, headers={"If-Match": changed.headers["ETag"]}
    )
    assert again.headers["ETag"] == changed.headers["ETag"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("nickname", ""),
        ("nickname", "x" * 1001),
        ("nickname", 5),
        ("nickname", "a\u0000b"),
        ("machines", 1.5),
        ("machines", "12"),
        ("machines", 2**53),
        ("machines", True),
        ("budget", 12),
        ("budget", "1e5"),
        ("budget", "1.00001"),
        ("contract_until", "2027-02-29"),
        ("contract_until", "soon"),
        ("grade", "copper"),
        ("grade", ["金"]),
        ("interests", "parts"),
        ("interests", []),
        ("interests", ["parts", "lunch"]),
        ("exporter", "yes"),
        ("exporter", 1),
        ("partner", "甲"),
        ("partner", "0190f3a1-0000-7000-8000-000000000000"),
        ("unheard_of", "x"),
        ("$.\"' OR 1=1 --", "x"),
    ],
)
def test_a_wrong_value_is_named(key: str, value: Any, kept_customer: Caller) -> None:
    refused = kept_customer.post("/v1/accounts", json={"name": "x", "custom": {key: value}})
    assert refused.status_code == 422
    assert {name.removesuffix(".1") for name in problem_fields(refused)} == {f"custom.{key}"}


@pytest.fixture(scope="module")
def kept_customer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """Somebody who calls a service with all of the fields declared."""
    harness = Harness(create_app, "customer", tmp_path_factory.mktemp("customer"))
    caller = harness.as_user()
    for key, values in DECLARED.items():
        declare(caller, key, **values)
    yield caller
    harness.close()


_TEXT = st.text(st.characters(codec="utf-8"))
_FINITE = {"allow_nan": False, "allow_infinity": False}
_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(**_FINITE) | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(custom=st.dictionaries(st.sampled_from([*DECLARED]) | _TEXT, _ANYTHING) | _ANYTHING)
def test_any_value_is_refused_or_comes_back_as_it_is_kept(
    kept_customer: Caller, custom: Any
) -> None:
    response = kept_customer.post("/v1/accounts", json={"name": new_id(), "custom": custom})
    if response.status_code == 422:
        assert all(name.startswith("custom") for name in problem_fields(response))
        return
    assert response.status_code == 201
    shown = response.json["custom"]
    assert shown.keys() == {key for key, value in custom.items() if value is not None}
    if shown:
        same = kept_customer.post("/v1/accounts", json={"name": new_id(), "custom": shown})
        assert same.json["custom"] == shown


def test_lists_are_filtered_by_value_and_range(user: Caller) -> None:
    add(user, "甲", machines=2, budget="99.9999", contract_until="2026-01-31", grade="金")
    add(user, "乙", machines=12, budget="100", contract_until="2026-02-01", exporter=False)
    add(user, "丙", machines=-3, interests=["parts", "training"], exporter=True)
    add(user, "丁", nickname="a'b", interests=["service"], budget="-5", partner=None)
    assert names(user, "custom.machines=12") == ["乙"]
    assert names(user, "custom.machines=12&custom.machines=2") == ["甲", "乙"]
    assert names(user, "custom.machines_from=2") == ["甲", "乙"]
    assert names(user, "custom.machines_from=-3&custom.machines_to=2") == ["甲", "丙"]
    assert names(user, "custom.budget=100.0") == ["乙"]
    assert names(user, "custom.budget_from=99.9999&custom.budget_to=99.9999") == ["甲"]
    assert names(user, "custom.budget_to=0") == ["丁"]
    assert names(user, "custom.contract_until_from=2026-02-01") == ["乙"]
    assert names(user, "custom.contract_until=2026-01-31") == ["甲"]
    assert names(user, "custom.grade=金") == ["甲"]
    assert names(user, "custom.interests=parts") == ["丙"]
    assert names(user, "custom.interests=service&custom.interests=training") == ["丙", "丁"]
    assert names(user, "custom.exporter=true") == ["丙"]
    assert names(user, "custom.exporter=false") == ["乙"]
    assert names(user, "custom.nickname=a'b") == ["丁"]
    assert names(user, "custom.nickname=a%27b%27%20OR%201=1") == []
    assert names(user, "custom.grade=金&custom.machines_from=3") == []


def test_a_filter_that_is_not_declared_or_not_read_is_named(user: Caller) -> None:
    asked = "custom.machines=many&custom.lost=1&custom.nickname_from=a&custom.grade=copper&sort=x"
    refused = user.get(f"/v1/accounts?{asked}")
    assert problem_fields(refused) == [
        "custom.grade.0",
        "custom.lost",
        "custom.machines.0",
        "custom.nickname_from",
        "sort",
    ]
    assert problem_fields(user.get("/v1/accounts?sort=custom.interests")) == ["sort"]
    assert user.get("/v1/accounts?custom=1").status_code == 422
    assert user.get("/v1/accounts?custom.=1").status_code == 422


@pytest.mark.parametrize(
    ("key", "ascending"),
    [
        ("machines", [None, -3, 2, 12]),
        ("budget", [None, "-5.00", "99.9999", "100.00"]),
        ("contract_until", [None, "2026-01-31", "2026-02-01", "2027-01-01"]),
        ("exporter", [None, None, False, True]),
        ("grade", [None, None, "bronze, plated", "bronze, plated"]),
    ],
)
def test_a_sort_by_a_custom_field_pages_without_gap_or_repetition(
    user: Caller, key: str, ascending: list[Any]
) -> None:
    for number, value in enumerate(reversed(ascending)):
        add(user, f"名{number}", **({key: value} if value is not None else {}))
    for sign, expected in (("", ascending), ("-", ascending[::-1])):
        seen, cursor = [], ""
        while cursor is not None:
            path = f"/v1/accounts?limit=1&sort={sign}custom.{key}{cursor and '&cursor='}{cursor}"
            page = user.get(path).json
            seen += page["items"]
            cursor = page["next_cursor"]
        assert [account["custom"].get(key) for account in seen] == expected
        assert len({account["id"] for account in seen}) == 4
    forged = user.get(f"/v1/accounts?sort=custom.{key}&cursor=WyJjdXN0b20iLCJ4IiwieCJd")
    assert problem_fields(forged) == ["cursor"]


def test_a_required_field_is_asked_of_new_records_alone(user: Caller) -> None:
    old = add(user, "甲")
    declare(user, "segment", required=True)
    for body in (
        {"name": "x"},
        {"name": "x", "custom": {}},
        {"name": "x", "custom": {"grade": "金"}},
    ):
        assert problem_fields(user.post("/v1/accounts", json=body)) == ["custom.segment"]
    path, seen = f"/v1/accounts/{old['id']}", {"If-Match": '"1"'}
    changed = user.patch(path, json={"level": "A"}, headers=seen)
    assert changed.status_code == 200
    cleared = {"custom": {"segment": None}}
    seen = {"If-Match": changed.headers["ETag"]}
    assert problem_fields(user.patch(path, json=cleared, headers=seen)) == ["custom.segment"]
    assert add(user, "乙", segment="mid")["custom"] == {"segment": "mid"}


def test_a_personal_value_is_for_those_with_the_right(customer: Harness, user: Caller) -> None:
    declare(user, "illness", personal=True)
    account = add(user, "甲", illness="flu", machines=1)
    reader = customer.as_user({"customer.accounts.read": "all", "customer.accounts.write": "all"})
    path = f"/v1/accounts/{account['id']}"
    assert reader.get(path).json["custom"] == {"machines": 1}
    assert reader.get("/v1/accounts").json["items"][0]["custom"] == {"machines": 1}
    kept = reader.patch(path, json={"custom": {"machines": 2}}, headers={"If-Match": '"1"'})
    assert kept.json["custom"] == {"machines": 2}
    assert user.get(path).json["custom"] == {"illness": "flu", "machines": 2}
    for listed in ("/v1/accounts", "/v1/exports/accounts"):
        for query in ("custom.illness=flu", "custom.illness=x"):
            assert reader.get(f"{listed}?{query}").status_code == 403
    assert reader.get("/v1/accounts?sort=custom.illness").status_code == 403
    assert reader.get("/v1/accounts?sort=-custom.illness").status_code == 403
    exported = reader.get("/v1/exports/accounts").text
    assert "flu" not in exported
    assert "custom.illness" not in exported
    assert reader.get("/v1/accounts?q=flu").json["items"] == []
    entitled = customer.as_user(
        {"customer.accounts.read": "all", "customer.accounts.personal": "own"}
    )
    assert entitled.get("/v1/accounts?custom.illness=flu").json["items"][0]["id"] == account["id"]
    assert "flu" in entitled.get("/v1/exports/accounts").text


def test_references_point_to_what_the_caller_sees(customer: Harness, user: Caller) -> None:
    declare(user, "sponsor", type="reference", target="users")
    declare(user, "signatory", type="reference", target="contacts")
    person = new_id()
    customer.deliver(
        event("crm.gateway.user.created.v1", {"id": person, "name": "李娜", "team_id": None})
    )
    contact = user.post("/v1/contacts", json={"name": "王芳"}).json["id"]
    hidden = add(user, "甲")["id"]
    rep = customer.as_user({"customer.accounts.*": "own", "customer.contacts.*": "own"})
    both = {"sponsor": person, "signatory": contact}
    assert add(user, "乙", **both)["custom"] == both
    for wrong in ({"partner": hidden}, {"signatory": contact}, {"sponsor": new_id()}):
        refused = rep.post("/v1/accounts", json={"name": "x", "custom": wrong})
        assert problem_fields(refused) == [f"custom.{next(iter(wrong))}"]
    mine = add(rep, "丙")["id"]
    assert add(rep, "丁", partner=mine)["custom"] == {"partner": mine}
    assert names(rep, f"custom.partner={mine}") == ["丁"]


def test_a_deactivated_field_keeps_its_values(customer: Harness, user: Caller) -> None:
    field = declare(user, "old_id")
    account = add(user, "甲", old_id="X-1", machines=1)
    inactive = change(user, field, active=False)
    assert inactive.json["active"] is False
    path = f"/v1/accounts/{account['id']}"
    assert user.get(path).json["custom"] == {"machines": 1}
    refused = user.post("/v1/accounts", json={"name": "x", "custom": {"old_id": "X-2"}})
    assert problem_fields(refused) == ["custom.old_id"]
    assert problem_fields(user.get("/v1/accounts?custom.old_id=X-1")) == ["custom.old_id"]
    user.patch(path, json={"custom": {"machines": 2}}, headers={"If-Match": '"1"'})
    assert change(user, inactive.json, active=True).status_code == 200
    assert user.get(path).json["custom"] == {"old_id": "X-1", "machines": 2}


def test_what_records_have_is_neither_deleted_nor_given_another_type(user: Caller) -> None:
    fields = {field["key"]: field for field in user.get("/v1/custom-fields").json}
    account = add(user, "甲", machines=1, grade="金", interests=["parts"])
    machines, grade, interests = (fields[key] for key in ("machines", "grade", "interests"))
    seen = {"If-Match": '"1"'}
    refused = user.delete(f"/v1/custom-fields/{machines['id']}", headers=seen)
    assert refused.status_code == 409
    assert "deactivate" in refused.json["detail"]
    assert change(user, machines, type="text").status_code == 409
    assert change(user, grade, options=["银"]).status_code == 409
    assert change(user, interests, options=["service"]).status_code == 409
    assert change(user, grade, options=["金", "tin"], label="档次").status_code == 200
    path = f"/v1/accounts/{account['id']}"
    cleared = {"custom": {"machines": None}}
    assert user.patch(path, json=cleared, headers=seen).json["custom"].keys() == {
        "grade",
        "interests",
    }
    assert change(user, machines, type="text").json["type"] == "text"
    gone = user.delete(f"/v1/custom-fields/{machines['id']}", headers={"If-Match": '"2"'})
    assert gone.status_code == 204
    refused = user.post("/v1/accounts", json={"name": "x", "custom": {"machines": "1"}})
    assert problem_fields(refused) == ["custom.machines"]


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"key": "Size"}, "key"),
        ({"key": "1st"}, "key"),
        ({"key": "größe"}, "key"),
        ({"key": "x" * 41}, "key"),
        ({"key": 'a"b'}, "key"),
        ({"key": "size_from"}, "key"),
        ({"key": "size\n"}, "key"),
        ({"resource": "leads"}, "resource"),
        ({"type": "json"}, "type"),
        ({"type": "choice"}, "options"),
        ({"type": "choice", "options": ["a", "a"]}, "options"),
        ({"type": "choice", "options": ["a;b"]}, "options"),
        ({"options": ["a"]}, "options"),
        ({"type": "reference"}, "target"),
        ({"type": "reference", "target": "leads"}, "target"),
        ({"target": "accounts"}, "target"),
        ({"label": ""}, "label"),
    ],
)
def test_a_wrong_declaration_is_named(
    kept_customer: Caller, wrong: dict[str, Any], named: str
) -> None:
    body = {"resource": "accounts", "key": "size", "label": "Size", "type": "text", **wrong}
    assert problem_fields(kept_customer.post("/v1/custom-fields", json=body)) == [named]


def test_declarations_need_their_permission_and_their_version(customer: Harness) -> None:
    user = customer.as_user()
    field = declare(user, "size")
    again = user.post(
        "/v1/custom-fields",
        json={"resource": "accounts", "key": "size", "label": "S", "type": "text"},
    )
    assert again.status_code == 409
    declare(user, "size", resource="contacts")
    path = f"/v1/custom-fields/{field['id']}"
    assert user.patch(path, json={"label": "x"}).status_code == 428
    assert change(user, field, label="x").headers["ETag"] == '"2"'
    assert change(user, field, label="y").status_code == 412
    assert user.delete(path, headers={"If-Match": '"1"'}).status_code == 412
    reader = customer.as_user({"customer.custom_fields.read": "all"})
    assert reader.get(path).json["label"] == "x"
    assert len(reader.get("/v1/custom-fields?resource=accounts&active=true").json) == 1
    assert reader.post("/v1/custom-fields", json={}).status_code == 403
    outsider = customer.as_user({"customer.accounts.*": "all"})
    assert outsider.get("/v1/custom-fields").status_code == 403
    assert reader.get(f"/v1/custom-fields/{new_id()}").status_code == 404


def test_another_process_knows_of_a_declaration_at_once(customer: Harness, tmp_path: Path) -> None:
    user = customer.as_user()
    folder = tmp_path / "second"
    folder.mkdir()
    url = customer.service.database.engine.url.render_as_string(hide_password=False)
    second = Harness(create_app, "customer", folder, url)
    try:
        other = second.as_user(user_id=user.id)
        assert other.get("/v1/accounts").json["items"] == []
        field = declare(user, "size", type="number")
        assert add(other, "甲", size=4)["custom"] == {"size": 4}
        declare(user, "weight", type="number")
        assert names(other, "custom.weight_from=1") == []
        change(user, field, active=False)
        second.service.custom_fields.read()  # what a second brings about
        assert other.get("/v1/accounts").json["items"][0]["custom"] == {}
    finally:
        second.close()


def test_requests_do_not_ask_for_the_declarations_each_time(
    customer: Harness, user: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(user, "甲", machines=1)
    asked = []
    monkeypatch.setattr(customer.service.custom_fields, "read", lambda: asked.append(1))
    monkeypatch.setattr("crm_chassis.custom_fields.declarations._AGE_SECONDS", 60.0)
    for _ in range(5):
        add(user, new_id(), machines=2)
        names(user, "custom.machines=2&sort=custom.machines")
    assert asked == []


def test_the_document_lists_what_is_declared(customer: Harness) -> None:
    user = customer.as_user()

    def described() -> dict[str, Any]:
        schemas = user.get("/openapi.json").json["components"]["schemas"]
        return {
            name: schemas[name]["properties"]["custom"] for name in ("AccountView", "NewAccount")
        }

    assert described()["AccountView"]["properties"] == {}
    declare(user, "grade", type="choice", options=["金", "银"], label="等级")
    declare(user, "illness", personal=True)
    for schema in described().values():
        assert schema["properties"]["grade"] == {
            "type": "string",
            "enum": ["金", "银"],
            "title": "等级",
        }
        assert schema["properties"]["illness"]["x-personal"] is True
        assert schema["additionalProperties"] is False
    parameters = {
        entry["name"]
        for entry in user.get("/openapi.json").json["paths"]["/v1/accounts"]["get"]["parameters"]
    }
    assert "custom.grade" in parameters


def test_contacts_have_fields_of_their_own(customer: Harness, user: Caller) -> None:
    declare(user, "languages", resource="contacts", type="multiple_choice", options=["zh", "en"])
    contact = user.post("/v1/contacts", json={"name": "王芳", "custom": {"languages": ["zh"]}})
    assert contact.json["custom"] == {"languages": ["zh"]}
    assert customer.published()[-1].data["custom"] == {"languages": ["zh"]}
    assert len(user.get("/v1/contacts?custom.languages=zh").json["items"]) == 1
    refused = user.post("/v1/contacts", json={"name": "x", "custom": {"machines": 1}})
    assert problem_fields(refused) == ["custom.machines"]


_MANY_ACCOUNTS = """
INSERT INTO accounts (id, version, created_at, updated_at, name, kind, phones, emails, addresses,
                      created_on, custom)
SELECT gen_random_uuid(), 1, now(), now(), 'n' || n, 'business', '', '', '[]', '2026-01-01',
       jsonb_build_object('machines', n)
       || CASE WHEN n % 1000 = 0 THEN '{"interests": ["service"]}' ELSE '{}' END::jsonb
FROM generate_series(1, 20000) AS n
"""


def _plans(harness: Harness, caller: Caller, path: str) -> list[str]:
    """The plans of what a request asks the database about accounts."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM accounts" in statement:
            asked.append((statement, parameters))

    engine = harness.service.database.engine
    listen(Engine, "before_cursor_execute", note)
    try:
        assert caller.get(path).status_code == 200
    finally:
        remove(Engine, "before_cursor_execute", note)
    plans = []
    with engine.connect() as connection:
        for statement, parameters in asked:
            rows = connection.exec_driver_sql(f"EXPLAIN {statement}", parameters)
            plans.append("\n".join(row[0] for row in rows))
    return plans


def test_an_equality_filter_is_answered_by_the_index(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Among many accounts, those with a value are not looked for one by one."""
    harness = Harness(create_app, "customer", tmp_path, postgres.create_database("customer"))
    try:
        user = harness.as_user()
        declare(user, "machines", type="number")
        declare(user, "interests", type="multiple_choice", options=["parts", "service"])
        with harness.service.database.transaction() as session:
            session.execute(text(_MANY_ACCOUNTS))
            session.execute(text("ANALYZE accounts"))
        for query in ("custom.machines=4711", "custom.interests=service"):
            (plan,) = _plans(harness, user, f"/v1/accounts?{query}")
            assert "accounts_by_custom" in plan
            assert "Seq Scan" not in plan
    finally:
        harness.close()


def test_custom_fields_come_and_go_with_files(customer: Harness, import_csv: ImportCsv) -> None:
    user = customer.as_user()
    for key, values in DECLARED.items():
        declare(user, key, **values)
    partner = add(user, "伙伴", machines=0)["id"]
    rows = (
        "external_id,name,custom.nickname,custom.machines,custom.budget,custom.contract_until,"
        "custom.grade,custom.interests,custom.exporter,custom.partner\n"
        'A1,甲,"明, 光",12,1250.5,2027-03-31,金,parts; service,true,\n'
        "A2,乙,,,,,,,,伙伴\n"
        "A3,丙,,many,1e5,soon,copper,lunch,perhaps,\n"
        "A4,丁,,,,,,,,Nowhere\n"
    )
    job, errors = import_csv("accounts", rows)
    named = [(error["row"], error["column"]) for error in errors]
    wrong = ("budget", "contract_until", "exporter", "grade", "interests", "machines")
    assert sorted(named) == [*((4, f"custom.{key}") for key in wrong), (5, "custom.partner")]
    assert job["created"] == 2
    items = user.get("/v1/accounts").json["items"]
    accounts = {each["external_id"]: each for each in items if each["external_id"]}
    expected = {**KEPT, "nickname": "明, 光"}
    assert accounts["A1"]["custom"] == expected
    assert accounts["A2"]["custom"] == {"partner": partner}
    told = {each.data["external_id"]: each.data["custom"] for each in customer.published()}
    assert [told[key] for key in accounts] == [each["custom"] for each in accounts.values()]
    job, _ = import_csv("accounts", "external_id,name,custom.machines\nA1,甲,12\nA2,乙,3\n")
    assert (job["changed"], job["unchanged"]) == (1, 1)
    exported = user.get("/v1/exports/accounts?custom.machines=12").text
    (row,) = csv.DictReader(io.StringIO(exported))
    shown = {key: row[f"custom.{key}"] for key in DECLARED}
    assert shown == {
        "nickname": "明, 光",
        "machines": "12",
        "budget": "1250.50",
        "contract_until": "2027-03-31",
        "grade": "金",
        "interests": "service; parts",
        "exporter": "true",
        "partner": "",
    }
    assert "custom" not in row


def test_a_file_names_declared_fields_alone_and_gives_the_required_ones(
    customer: Harness, import_csv: ImportCsv
) -> None:
    user = customer.as_user()
    mapping = {"resource": "accounts", "columns": {"id": "external_id", "size": "custom.size"}}
    refused = user.post("/v1/imports", json=mapping)
    assert problem_fields(refused) == ["custom.size"]
    declare(user, "size", required=True)
    assert user.post("/v1/imports", json=mapping).status_code == 201
    _, errors = import_csv("accounts", "external_id,name,custom.size\nA1,甲,\nA2,乙,big\n")
    assert [(error["row"], error["column"]) for error in errors] == [(2, "custom.size")]
