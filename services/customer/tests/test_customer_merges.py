"""Merges: two records become one, with all that is theirs, and two again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, problem_fields
from crm_customer.app import create_app

Record = dict[str, Any]


@pytest.fixture
def admin(customer: Harness) -> Caller:
    return customer.as_user()


def added(caller: Caller, kind: str = "contacts", **values: Any) -> Record:
    values = {"accept_duplicate": "-", **values}
    response = caller.post(f"/v1/{kind}", json=values)
    assert response.status_code == 201, response.json
    return response.json


def read(caller: Caller, record: Record, kind: str = "contacts") -> Record:
    response = caller.get(f"/v1/{kind}/{record['id']}")
    assert response.status_code == 200, response.json
    return response.json


def merging(survivor: Record, merged: Record, kind: str = "contact", **fields: str) -> Record:
    return {
        "kind": kind,
        "survivor_id": survivor["id"],
        "merged_id": merged["id"],
        "survivor_version": survivor["version"],
        "merged_version": merged["version"],
        "fields": fields,
    }


def merge(
    caller: Caller, survivor: Record, merged: Record, kind: str = "contact", **fields: str
) -> Record:
    survivor, merged = (read(caller, each, f"{kind}s") for each in (survivor, merged))
    response = caller.post("/v1/merges", json=merging(survivor, merged, kind, **fields))
    assert response.status_code == 201, response.json
    return response.json


def undo(caller: Caller, merge: Record) -> Any:
    headers = {"If-Match": str(merge["version"])}
    return caller.post(f"/v1/merges/{merge['id']}/undo", headers=headers)


def same(record: Record) -> Record:
    """What of a record an undoing restores."""
    return {name: value for name, value in record.items() if name not in ("version", "updated_at")}


def test_the_survivor_has_the_chosen_fields_and_all_numbers_of_both(admin: Caller) -> None:
    kept = added(
        admin,
        name="Robert Miller",
        job_title="Buyer",
        phones=["+447900123456"],
        emails=["bob@miller.example"],
    )
    gone = added(
        admin,
        name="Bob Miller",
        job_title="Head of purchase",
        region="North",
        phones=["+447900999999", "+447900123456"],
        consent={"email": {"state": "granted"}},
    )
    merge(admin, kept, gone, job_title="merged")
    after = read(admin, kept)
    assert (after["name"], after["job_title"], after["region"]) == (
        "Robert Miller",
        "Head of purchase",
        "North",
    )
    assert after["phones"] == ["+447900123456", "+447900999999"]
    assert after["emails"] == ["bob@miller.example"]
    assert after["consent"]["email"]["state"] == "granted"


def test_the_merged_record_is_hidden_says_into_what_and_takes_no_changes(admin: Caller) -> None:
    kept, gone = added(admin, name="Robert"), added(admin, name="Bob")
    merge(admin, kept, gone)
    hidden = read(admin, gone)
    assert hidden["merged_into"] == kept["id"]
    assert [each["id"] for each in admin.get("/v1/contacts").json["items"]] == [kept["id"]]
    assert admin.get("/v1/contacts?q=Bob").json["items"] == []
    assert gone["id"] not in admin.get("/v1/exports/contacts").get_data(as_text=True)
    headers = {"If-Match": str(hidden["version"])}
    path = f"/v1/contacts/{gone['id']}"
    assert admin.patch(path, json={"name": "Robbie"}, headers=headers).status_code == 409
    again = admin.post("/v1/merges", json=merging(read(admin, kept), hidden))
    assert again.status_code == 409


def test_it_is_told_with_both_records_and_what_moved(customer: Harness, admin: Caller) -> None:
    kept = added(admin, "accounts", name="Northwind")
    gone = added(admin, "accounts", name="Northwind Traders")
    contact = added(admin, name="Robert", account_id=gone["id"])
    before = len(customer.published())
    done = merge(admin, kept, gone, "account")
    told = customer.published()[before:]
    assert sorted((each.type.removeprefix("crm.customer."), each.subject) for each in told) == (
        sorted(
            [
                ("account.changed.v1", kept["id"]),
                ("account.changed.v1", gone["id"]),
                ("contact.changed.v1", contact["id"]),
                ("merge.done.v1", done["id"]),
            ]
        )
    )
    states = {each.subject: each.data for each in told}
    assert states[gone["id"]]["merged_into"] == kept["id"]
    assert states[contact["id"]]["account_id"] == kept["id"]
    assert states[done["id"]] == {
        "id": done["id"],
        "kind": "account",
        "survivor_id": kept["id"],
        "merged_id": gone["id"],
        "status": "done",
    }


def test_contacts_and_subsidiaries_follow_and_come_back(admin: Caller) -> None:
    kept = added(admin, "accounts", name="Northwind")
    gone = added(admin, "accounts", name="Northwind Traders")
    contact = added(admin, name="Robert", account_id=gone["id"])
    child = added(admin, "accounts", name="Southwind", parent_id=gone["id"])
    own = added(admin, name="Anna", account_id=kept["id"])
    done = merge(admin, kept, gone, "account")
    assert read(admin, contact)["account_id"] == kept["id"]
    assert read(admin, child, "accounts")["parent_id"] == kept["id"]
    late = added(admin, name="Late", account_id=gone["id"])
    assert late["account_id"] == kept["id"]
    assert undo(admin, done).status_code == 200
    assert read(admin, contact)["account_id"] == gone["id"]
    assert read(admin, child, "accounts")["parent_id"] == gone["id"]
    assert read(admin, own)["account_id"] == kept["id"]
    assert read(admin, late)["account_id"] == gone["id"]


def test_roles_at_both_accounts_are_joined_and_parted(admin: Caller) -> None:
    kept = added(admin, "accounts", name="Northwind")
    gone = added(admin, "accounts", name="Northwind Traders")
    contact = added(admin, name="Robert", account_id=kept["id"])
    for account, role in ((kept, "evaluator"), (gone, "decision_maker")):
        path = f"/v1/contacts/{contact['id']}/accounts/{account['id']}"
        headers = {"If-Match": str(read(admin, contact)["version"])}
        response = admin.put(path, json={"roles": [role]}, headers=headers)
        assert response.status_code == 200, response.json
    before = read(admin, contact)
    done = merge(admin, kept, gone, "account")
    (at,) = read(admin, contact)["accounts"]
    assert at["account_id"] == kept["id"]
    assert set(at["roles"]) == {"evaluator", "decision_maker"}
    assert undo(admin, done).status_code == 200
    assert read(admin, contact)["accounts"] == before["accounts"]


def test_a_merged_contact_is_still_at_its_account(admin: Caller) -> None:
    north = added(admin, "accounts", name="Northwind")
    south = added(admin, "accounts", name="Southwind")
    kept = added(admin, name="Robert", account_id=north["id"])
    gone = added(admin, name="Bob", account_id=south["id"])
    done = merge(admin, kept, gone)
    accounts = {each["account_id"]: each["primary"] for each in read(admin, kept)["accounts"]}
    assert accounts == {north["id"]: True, south["id"]: False}
    assert undo(admin, done).status_code == 200
    assert same(read(admin, kept)) == same(kept)
    assert same(read(admin, gone)) == same(gone)


@pytest.mark.parametrize("choice", [{}, {"external_id": "merged"}])
def test_both_external_keys_are_still_known(
    admin: Caller, import_csv: Callable[..., Any], choice: dict[str, str]
) -> None:
    kept = added(admin, name="Robert", external_id="C-1")
    gone = added(admin, name="Bob", external_id="C-2")
    done = merge(admin, kept, gone, **choice)
    assert read(admin, kept)["external_id"] == ("C-2" if choice else "C-1")
    for number, key in enumerate(("C-1", "C-2")):
        job, errors = import_csv(
            "contacts", f"external_id,job_title,name\n{key},Buyer {number},Robert\n"
        )
        assert (job["changed"], job["created"], errors) == (1, 0, [])
        assert read(admin, kept)["job_title"] == f"Buyer {number}"
    assert len(admin.get("/v1/contacts").json["items"]) == 1
    assert read(admin, kept)["external_id"] == ("C-2" if choice else "C-1")
    assert undo(admin, done).status_code == 200
    assert read(admin, kept)["external_id"] == "C-1"
    assert read(admin, gone)["external_id"] == "C-2"


def test_undoing_restores_both_exactly(customer: Harness, admin: Caller) -> None:
    parent = added(admin, "accounts", name="Group")
    kept = added(
        admin,
        "accounts",
        name="Northwind",
        phones=["+447900123456"],
        annual_revenue="1250.50",
        currency="EUR",
        addresses=["1 Main Street"],
    )
    gone = added(
        admin,
        "accounts",
        name="Northwind Traders",
        external_id="C-2",
        phones=["+447900999999"],
        annual_revenue="99",
        currency="USD",
        industry="retail",
        founded_year=1999,
        parent_id=parent["id"],
        created_on="2020-01-31",
        consent={"phone": {"state": "refused", "source": "letter"}},
    )
    chosen = dict.fromkeys(("name", "annual_revenue", "created_on", "phones", "owner_id"), "merged")
    done = merge(admin, kept, gone, "account", **chosen)
    merged = read(admin, kept, "accounts")
    assert (merged["annual_revenue"], merged["currency"]) == ("99.00", "USD")
    assert (merged["created_on"], merged["phones"]) == ("2020-01-31", ["+447900999999"])
    assert merged["parent_id"] == parent["id"]
    response = undo(admin, done)
    assert (response.status_code, response.json["status"]) == (200, "undone")
    assert same(read(admin, kept, "accounts")) == same(kept)
    assert same(read(admin, gone, "accounts")) == same(gone)
    assert undo(admin, response.json).status_code == 409
    last = customer.published("crm.customer.merge.undone.v1")
    assert [(each.subject, each.sequence) for each in last] == [(done["id"], 2)]


@pytest.mark.parametrize("free", ["survivor", "merged"])
def test_a_customer_of_somebody_does_not_become_nobody_s_by_a_merge(
    admin: Caller, free: str
) -> None:
    owners = {"survivor": admin.id, "merged": admin.id, free: None}
    kept, gone = (
        added(admin, "accounts", name=side, owner_id=owner) for side, owner in owners.items()
    )
    refused = admin.post("/v1/merges", json=merging(kept, gone, "account", owner_id=free))
    assert (refused.status_code, problem_fields(refused)) == (422, ["fields.owner_id"])
    merge(admin, kept, gone, "account")
    assert read(admin, kept, "accounts")["owner_id"] == admin.id


def released(rep: Caller, name: str) -> Record:
    made = added(rep, "accounts", name=name)
    body = {"json": {"reason": "moved abroad"}, "headers": {"If-Match": '"1"'}}
    answer = rep.post(f"/v1/pool/{made['id']}/release", **body)
    assert answer.status_code == 200, answer.json
    return made


@pytest.mark.parametrize("chosen", [{}, {"owner_id": "survivor"}])
def test_two_customers_of_nobody_become_one_in_the_survivor_s_pool(
    customer: Harness, admin: Caller, chosen: dict[str, str]
) -> None:
    kept = released(customer.as_user(team=new_id()), "One")
    gone = released(customer.as_user(team=new_id()), "Two")
    merge(admin, kept, gone, "account", **chosen)
    merged = read(admin, kept, "accounts")
    assert (merged["owner_id"], merged["team_id"]) == (None, kept["team_id"])


def test_a_merge_and_its_undoing_are_changes_of_owner_like_any_other(
    customer: Harness, admin: Caller
) -> None:
    kept = added(admin, "accounts", name="Free", owner_id=None)
    gone = added(admin, "accounts", name="Owned")
    done = merge(admin, kept, gone, "account")
    assert undo(admin, done).status_code == 200
    path = f"/v1/accounts/{kept['id']}/ownership"
    log = admin.get(path).json["items"]
    assert [(each["from_owner_id"], each["to_owner_id"]) for each in log] == [
        (admin.id, None),
        (None, admin.id),
    ]
    told = customer.published("crm.customer.account.changed.v1")
    changes = [each.data["change"] for each in told if "change" in each.data]
    assert [change["to_owner_id"] for change in changes] == [admin.id, None]


def test_undoing_is_refused_once_a_field_that_was_set_changed(admin: Caller) -> None:
    kept, gone = added(admin, name="Robert"), added(admin, name="Bob", region="North")
    done = merge(admin, kept, gone)
    path = f"/v1/contacts/{kept['id']}"

    def change(**values: Any) -> None:
        headers = {"If-Match": str(read(admin, kept)["version"])}
        assert admin.patch(path, json=values, headers=headers).status_code == 200

    change(region="South")
    refused = undo(admin, done)
    assert refused.status_code == 409
    assert problem_fields(refused) == ["region"]
    change(region="North", job_title="Buyer")  # which the merge had not to do with
    assert undo(admin, done).status_code == 200
    after = read(admin, kept)
    assert (after["region"], after["job_title"]) == (None, "Buyer")


def test_a_survivor_that_was_merged_is_parted_last(admin: Caller) -> None:
    first, second, third = (added(admin, name=name) for name in ("One", "Two", "Three"))
    inner = merge(admin, second, first)
    outer = merge(admin, third, second)
    assert undo(admin, inner).status_code == 409
    assert undo(admin, outer).status_code == 200
    assert undo(admin, inner).status_code == 200
    assert {each["id"] for each in admin.get("/v1/contacts").json["items"]} == {
        each["id"] for each in (first, second, third)
    }


def test_an_account_below_the_merged_one_takes_its_place(admin: Caller) -> None:
    top = added(admin, "accounts", name="Group")
    gone = added(admin, "accounts", name="Northwind", parent_id=top["id"])
    between = added(admin, "accounts", name="Between", parent_id=gone["id"])
    kept = added(admin, "accounts", name="Below", parent_id=between["id"])
    done = merge(admin, kept, gone, "account")
    assert read(admin, kept, "accounts")["parent_id"] == top["id"]
    assert read(admin, between, "accounts")["parent_id"] == kept["id"]
    assert undo(admin, done).status_code == 200
    for account in (gone, between, kept):
        assert same(read(admin, account, "accounts")) == same(account)


def test_the_pair_in_the_review_queue_is_settled(admin: Caller) -> None:
    bob = {"name": "Robert Miller", "phones": ["+447900123456"]}
    kept, gone = added(admin, **bob), added(admin, **bob)

    def states() -> list[tuple[str, str | None]]:
        pairs = admin.get("/v1/duplicate-candidates").json["items"]
        return [(pair["state"], pair["merge_id"]) for pair in pairs]

    done = merge(admin, kept, gone)
    assert states() == [("merged", done["id"])]
    assert admin.post("/v1/contacts", json=bob).json["candidates"][0]["id"] == kept["id"]
    assert undo(admin, done).status_code == 200
    assert states() == [("open", None)]
    assert len(admin.post("/v1/contacts", json=bob).json["candidates"]) == 2


def test_what_cannot_be_is_refused(customer: Harness, admin: Caller) -> None:
    kept, gone = added(admin, name="Robert"), added(admin, name="Bob")
    account = added(admin, "accounts", name="Northwind")

    def status(caller: Caller, **values: Any) -> int:
        return caller.post("/v1/merges", json={**merging(kept, gone), **values}).status_code

    assert status(admin, merged_id=kept["id"]) == 422
    assert status(admin, merged_id=account["id"]) == 404
    assert status(admin, merged_id=new_id()) == 404
    assert status(admin, fields={"version": "merged"}) == 422
    assert status(admin, fields={"name": "both"}) == 422
    assert status(admin, survivor_version=7) == 412
    assert status(admin, merged_version=7) == 412
    stranger = customer.as_user({"customer.contacts.*": "own", "customer.merges.*": "all"})
    assert status(stranger) == 404
    assert status(customer.as_user({"customer.contacts.*": "all"})) == 403
    assert status(admin) == 201
    (done,) = admin.get("/v1/merges").json["items"]
    assert stranger.get("/v1/merges").json["items"] == []
    assert stranger.get(f"/v1/merges/{done['id']}").status_code == 404
    assert undo(stranger, done).status_code == 404
    assert undo(admin, {**done, "version": 2}).status_code == 412


def _both_ways(harness: Harness) -> list[int]:
    admin = harness.as_user()
    first, second = added(admin, name="One"), added(admin, name="Two")
    bodies = [merging(first, second), merging(second, first)]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda body: admin.post("/v1/merges", json=body), bodies))
    assert len(admin.get("/v1/contacts").json["items"]) == 1
    return sorted(answer.status_code for answer in answers)


def test_of_two_merges_at_once_one_wins(customer: Harness) -> None:
    assert _both_ways(customer) in ([201, 409], [201, 412])


def test_of_two_merges_at_once_one_wins_on_postgres_too(tmp_path: Any, postgres: Any) -> None:
    harness = Harness(create_app, "customer", tmp_path, postgres.create_database("customer"))
    assert _both_ways(harness) in ([201, 409], [201, 412])
    admin = harness.as_user()
    kept = added(admin, "accounts", name="Northwind")
    gone = added(admin, "accounts", name="Southwind", external_id="C-1")
    contact = added(admin, name="Robert", account_id=gone["id"])
    done = merge(admin, kept, gone, "account", external_id="merged")
    assert read(admin, contact)["account_id"] == kept["id"]
    assert undo(admin, done).status_code == 200
    assert same(read(admin, gone, "accounts")) == same(gone)
    harness.close()


_VALUES = st.fixed_dictionaries(
    {"name": st.sampled_from(["One", "Two"])},
    optional={
        "region": st.sampled_from(["North", "South", None]),
        "level": st.sampled_from(["A", "B", None]),
        "phones": st.lists(st.sampled_from(["+447900000001", "+447900000002"]), unique=True),
        "addresses": st.lists(st.sampled_from(["1 Main Street", "2 Hill Road"]), unique=True),
        "birthday": st.sampled_from(["1980-01-02", None]),
        "external_id": st.sampled_from(["C-1", "C-2"]),
    },
)
_CHOICES = st.dictionaries(
    st.sampled_from(["name", "region", "phones", "addresses", "birthday", "external_id"]),
    st.sampled_from(["survivor", "merged"]),
)


@settings(max_examples=25, deadline=None)
@given(one=_VALUES, other=_VALUES, chosen=_CHOICES)
def test_whatever_is_merged_undoing_restores_it(
    tmp_path_factory: Any, one: Record, other: Record, chosen: dict[str, str]
) -> None:
    if one.get("external_id") and one.get("external_id") == other.get("external_id"):
        other = {**other, "external_id": "C-3"}
    harness = Harness(create_app, "customer", tmp_path_factory.mktemp("customer"))
    admin = harness.as_user()
    kept, gone = added(admin, **one), added(admin, **other)
    done = merge(admin, kept, gone, **chosen)
    joined = set(read(admin, kept)["phones"])
    if "phones" not in chosen:
        assert joined == {*kept["phones"], *gone["phones"]}
    assert undo(admin, done).status_code == 200
    assert same(read(admin, kept)) == same(kept)
    assert same(read(admin, gone)) == same(gone)
    harness.close()
