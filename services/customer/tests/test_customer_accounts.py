"""Accounts: added, read, changed, listed, found, and owned by one another."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_chassis.testing_servers import PostgresServer
from crm_customer.app import create_app

ACCOUNT = {
    "name": "杭州明光仪器有限公司",
    "industry": "manufacturing",
    "region": "East China",
    "level": "A",
    "phones": ["+86 571 5550 0142", "0571-5550-0143"],
    "emails": ["Office@BrightOptics.Example"],
    "addresses": ["文一路18号, 杭州"],
    "annual_revenue": "18500000",
    "currency": "CNY",
    "employees": 420,
    "founded_year": 2004,
    "website": "https://brightoptics.example/zh",
    "satisfaction": "high",
    "source": "trade fair",
}


def added(customer: Harness, caller: Caller | None = None, **values: object) -> tuple[dict, str]:
    body = {**ACCOUNT, "accept_duplicate": "many are alike here", **values}
    response = (caller or customer.as_user()).post("/v1/accounts", json=body)
    assert response.status_code == 201, response.json
    return response.json, response.headers["ETag"]


def names(caller: Caller, query: str) -> list[str]:
    response = caller.get(f"/v1/accounts?{query}")
    assert response.status_code == 200, response.json
    return [account["name"] for account in response.json["items"]]


def test_a_new_account_is_stored_normalised_and_told_of(customer: Harness) -> None:
    user = customer.as_user(team=new_id())
    account, etag = added(customer, user, created_on="2026-03-01")
    assert account["phones"] == ["+8657155500142", "057155500143"]
    assert account["emails"] == ["Office@brightoptics.example"]
    assert (account["kind"], account["annual_revenue"]) == ("business", "18500000.00")
    assert account["owner_id"] == user.id
    assert etag == '"1"'
    assert user.get(f"/v1/accounts/{account['id']}").json == account
    (told,) = customer.published()
    assert (told.type, told.sequence) == ("crm.customer.account.created.v1", 1)
    assert told.subject == account["id"]
    unsaid = {"version", "created_at", "updated_at", "phones_typed", "last_contacted_at"}
    unsaid |= {"completeness", "quality", "validity"}
    assert told.data == {k: v for k, v in account.items() if k not in unsaid}


def test_a_name_is_all_that_an_account_needs(customer: Harness) -> None:
    response = customer.as_user().post("/v1/accounts", json={"name": "Cancity"})
    assert response.status_code == 201
    assert (response.json["phones"], response.json["level"]) == ([], None)


def test_every_invalid_field_is_named_and_nothing_is_kept(customer: Harness) -> None:
    bad = {
        "name": " ",
        "kind": "charity",
        "level": "D",
        "satisfaction": "great",
        "phones": ["+8657155500142", "call me"],
        "emails": ["nobody"],
        "addresses": ["x" * 501],
        "website": "javascript:alert(1)",
        "employees": -1,
        "annual_revenue": "1e5",
        "currency": "yuan",
        "founded_year": 99,
        "parent_id": "Acme",
        "colour": "red",
    }
    response = customer.as_user().post("/v1/accounts", json=bad)
    assert response.status_code == 422
    assert problem_fields(response) == sorted(
        {**bad, "phones.1": 0, "emails.0": 0, "addresses.0": 0}.keys()
        - {"phones", "emails", "addresses"}
    )
    assert customer.published() == []


@pytest.mark.parametrize("field", ["phones", "emails", "addresses"])
def test_the_contracts_bounds_are_the_requests_bounds(customer: Harness, field: str) -> None:
    entry = {"phones": "+8657155500142", "emails": "a@b.example", "addresses": "x" * 500}[field]
    user = customer.as_user()
    most = user.post("/v1/accounts", json={"name": "字" * 200, field: [entry] * 20})
    assert most.status_code == 201, most.json
    more = user.post("/v1/accounts", json={"name": "x", field: [entry] * 21})
    assert problem_fields(more) == [field]
    assert problem_fields(user.post("/v1/accounts", json={"name": "x", field: None})) == [field]


def test_a_revenue_needs_its_currency(customer: Harness) -> None:
    user = customer.as_user()
    refused = user.post("/v1/accounts", json={"name": "x", "annual_revenue": "5"})
    assert problem_fields(refused) == ["currency"]
    account, etag = added(customer, user)
    path, seen = f"/v1/accounts/{account['id']}", {"If-Match": etag}
    assert problem_fields(user.patch(path, json={"currency": None}, headers=seen)) == ["currency"]
    both = {"currency": None, "annual_revenue": None}
    assert user.patch(path, json=both, headers=seen).status_code == 200


def test_a_change_needs_the_version_that_was_seen_and_is_told_once(customer: Harness) -> None:
    account, etag = added(customer)
    user, path = customer.as_user(), f"/v1/accounts/{account['id']}"
    assert user.patch(path, json={"level": "B"}).status_code == 428
    changed = user.patch(path, json={"level": "B", "phones": []}, headers={"If-Match": etag})
    assert (changed.status_code, changed.json["level"], changed.json["phones"]) == (200, "B", [])
    assert user.patch(path, json={"level": "C"}, headers={"If-Match": etag}).status_code == 412
    same = {"level": "B", "emails": account["emails"]}
    again = user.patch(path, json=same, headers={"If-Match": changed.headers["ETag"]})
    assert again.headers["ETag"] == changed.headers["ETag"]
    told = customer.published()[1:]
    assert [(event.type, event.sequence) for event in told] == [
        ("crm.customer.account.changed.v1", 2)
    ]
    assert told[0].data["phones"] == []


def test_an_idempotency_key_adds_one_account(customer: Harness) -> None:
    user, key = customer.as_user(), {"Idempotency-Key": "form-17"}
    first = user.post("/v1/accounts", json=ACCOUNT, headers=key)
    again = user.post("/v1/accounts", json=ACCOUNT, headers=key)
    assert again.json == first.json
    assert len(user.get("/v1/accounts").json["items"]) == 1


def test_an_external_id_is_one_accounts(customer: Harness) -> None:
    added(customer, external_id="ERP-1")
    second = customer.as_user().post("/v1/accounts", json={**ACCOUNT, "external_id": "ERP-1"})
    assert second.status_code == 409


def test_phones_are_masked_on_every_way_out_without_the_right(customer: Harness) -> None:
    account, etag = added(customer, emails=[])
    path = f"/v1/accounts/{account['id']}"
    reader = customer.as_user({"customer.accounts.read": "all", "customer.accounts.write": "all"})
    hidden = ["****0142", "****0143"]
    assert reader.get(path).json["phones"] == hidden
    assert reader.get("/v1/accounts").json["items"][0]["phones"] == hidden
    assert reader.patch(path, json={"needs": "x"}, headers={"If-Match": etag}).json["phones"] == (
        hidden
    )
    exported = reader.get("/v1/exports/accounts").get_data(as_text=True)
    assert "****0142; ****0143" in exported
    assert "5550014" not in exported
    for part in ("57155500142", "0142", "%0A"):
        assert names(reader, f"q={part}") == []
        assert reader.get(f"/v1/exports/accounts?q={part}").text.count("\n") == 1
    for listed in ("/v1/accounts", "/v1/exports/accounts"):
        assert reader.get(f"{listed}?phone=%2B8657155500142").status_code == 403
    assert reader.get("/v1/accounts?sort=phones").status_code == 422


def test_with_the_right_phones_are_shown_searched_and_exported(customer: Harness) -> None:
    account, _ = added(customer)
    reader = customer.as_user({"customer.accounts.read": "all", "customer.accounts.phone": "own"})
    assert reader.get(f"/v1/accounts/{account['id']}").json["phones"][0] == "+8657155500142"
    assert names(reader, "q=55500143") == [ACCOUNT["name"]]
    assert names(reader, "phone=%2B86%20571%205550-0142") == [ACCOUNT["name"]]
    assert names(reader, "phone=57155500142") == []
    assert "+8657155500142; 057155500143" in reader.get("/v1/exports/accounts").text


@pytest.fixture(params=["sqlite", "postgresql"])
def either_customer(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    url = None
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgres")
        url = server.create_database("customer")
    harness = Harness(create_app, "customer", tmp_path, url)
    yield harness
    harness.close()


def test_the_list_is_filtered_and_searched(either_customer: Harness) -> None:
    user = either_customer.as_user()
    for name, industry, email in (
        ("甲 Co, Ltd", "IT", "info@jia.example"),
        ("乙 100% GmbH", "finance", "sales@yi.example"),
        ("丙", "IT", "sales@yi.example.org"),
    ):
        body = {"name": name, "industry": industry, "emails": [email], "external_id": name}
        if name == "丙":
            body["phones"] = ["12345", "+41 44 555 01 42"]
        assert user.post("/v1/accounts", json=body).status_code == 201
    assert names(user, "sort=created_at&industry=IT") == ["甲 Co, Ltd", "丙"]
    assert names(user, "sort=created_at&industry=IT&industry=finance&q=sales") == [
        "乙 100% GmbH",
        "丙",
    ]
    assert names(user, "name=甲 Co, Ltd") == ["甲 Co, Ltd"]
    assert names(user, "email=sales@yi.example") == ["乙 100% GmbH"]
    assert names(user, "email=Sales@YI.example") == ["乙 100% GmbH"]
    assert names(user, "phone=%2B41445550142") == ["丙"]
    assert names(user, "q=5550142") == ["丙"]
    assert names(user, "external_id=丙") == ["丙"]
    assert names(user, "q=0%25 g") == ["乙 100% GmbH"]
    assert names(user, "q=%25%25") == []
    assert names(user, f"owner_id={user.id}&limit=1") == ["丙"]
    assert problem_fields(user.get("/v1/accounts?colour=red&sort=age")) == ["colour", "sort"]


@pytest.mark.parametrize("sort", ["created_at", "-created_at", "name", "-name"])
def test_pages_follow_one_another_without_gap_or_repetition(customer: Harness, sort: str) -> None:
    user = customer.as_user()
    for number in range(7):
        user.post("/v1/accounts", json={"name": f"名 {number % 3}", "accept_duplicate": "-"})
    seen, cursor = [], ""
    while cursor is not None:
        page = user.get(f"/v1/accounts?limit=3&sort={sort}{cursor and '&cursor='}{cursor}").json
        seen += page["items"]
        cursor = page["next_cursor"]
    assert len({account["id"] for account in seen}) == 7
    values = [account[sort.lstrip("-")] for account in seen]
    assert values == sorted(values, reverse=sort.startswith("-"))


def test_rows_are_visible_by_owner_team_and_subtree(customer: Harness) -> None:
    office, branch = new_id(), new_id()
    customer.deliver(
        event("crm.gateway.team.created.v1", {"id": office, "name": "办公室", "parent_id": None}),
        event("crm.gateway.team.created.v1", {"id": branch, "name": "B", "parent_id": office}),
    )
    rights = "customer.accounts.*"
    owner = customer.as_user({rights: "own"}, team=branch)
    account, etag = added(customer, owner)
    path = f"/v1/accounts/{account['id']}"
    colleague = customer.as_user({rights: "team"}, team=branch)
    manager = customer.as_user({rights: "subtree"}, team=office)
    alone = customer.as_user({rights: "own"}, team=branch)
    above = customer.as_user({rights: "team"}, team=office)
    for caller, reaches in (
        (owner, True),
        (colleague, True),
        (manager, True),
        (alone, False),
        (above, False),
    ):
        assert caller.get(path).status_code == (200 if reaches else 404)
        assert bool(names(caller, "q=明光")) is reaches
        assert ("明光" in caller.get("/v1/exports/accounts").text) is reaches
    refused = alone.patch(path, json={"level": "C"}, headers={"If-Match": etag})
    assert refused.status_code == 404
    nobody = customer.as_user({"sales.*": "all"})
    assert nobody.get("/v1/accounts").status_code == 403


def test_a_new_owner_brings_the_team_along(customer: Harness) -> None:
    user, team = new_id(), new_id()
    customer.deliver(
        event("crm.gateway.user.created.v1", {"id": user, "name": "李娜", "team_id": team})
    )
    account, etag = added(customer)
    path, seen = f"/v1/accounts/{account['id']}", {"If-Match": etag}
    given = customer.as_user().patch(path, json={"owner_id": user}, headers=seen)
    assert (given.json["owner_id"], given.json["team_id"]) == (user, team)
    assert customer.published()[-1].data["team_id"] == team


def test_a_parent_is_there_and_visible(customer: Harness) -> None:
    hidden, _ = added(customer)
    rep = customer.as_user({"customer.accounts.*": "own"}, team=new_id())
    for parent in (new_id(), hidden["id"]):
        refused = rep.post("/v1/accounts", json={"name": "x", "parent_id": parent})
        assert problem_fields(refused) == ["parent_id"]
    mine, etag = added(customer, rep)
    child, _ = added(customer, rep, parent_id=mine["id"])
    assert [a["id"] for a in rep.get(f"/v1/accounts?parent_id={mine['id']}").json["items"]] == [
        child["id"]
    ]
    path = f"/v1/accounts/{mine['id']}"
    moved = rep.patch(path, json={"parent_id": hidden["id"]}, headers={"If-Match": etag})
    assert problem_fields(moved) == ["parent_id"]


def test_no_account_owns_itself_at_any_distance(customer: Harness) -> None:
    user = customer.as_user()
    top, etag = added(customer, user)
    middle, _ = added(customer, user, parent_id=top["id"])
    bottom, bottom_etag = added(customer, user, parent_id=middle["id"])
    for below in (top, middle, bottom):
        refused = user.patch(
            f"/v1/accounts/{top['id']}",
            json={"parent_id": below["id"]},
            headers={"If-Match": etag},
        )
        assert problem_fields(refused) == ["parent_id"]
    aside = user.patch(
        f"/v1/accounts/{bottom['id']}",
        json={"parent_id": top["id"]},
        headers={"If-Match": bottom_etag},
    )
    assert aside.json["parent_id"] == top["id"]


def test_of_two_moves_at_once_one_is_refused_if_they_closed_a_circle(
    either_customer: Harness,
) -> None:
    user = either_customer.as_user()
    for _ in range(5):
        (one, etag), (other, _) = added(either_customer, user), added(either_customer, user)

        def move(pair: tuple[dict, dict], etag: str = etag) -> int:
            path, body = f"/v1/accounts/{pair[0]['id']}", {"parent_id": pair[1]["id"]}
            return user.patch(path, json=body, headers={"If-Match": etag}).status_code

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(move, ((one, other), (other, one))))
        assert sorted(statuses) == [200, 422]
