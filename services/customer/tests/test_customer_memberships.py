"""Contacts at several accounts, and the trees that accounts form."""

from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, problem_fields
from crm_customer.contacts import commands


def add(caller: Caller, resource: str, **values: Any) -> dict[str, Any]:
    response = caller.post(f"/v1/{resource}", json={"name": new_id(), **values})
    assert response.status_code == 201, response.json
    return response.json


def put(caller: Caller, contact: dict[str, Any], account_id: str, **said: Any) -> Any:
    path = f"/v1/contacts/{contact['id']}/accounts/{account_id}"
    return caller.put(path, json=said, headers={"If-Match": f'"{contact["version"]}"'})


def membership(account: dict[str, Any], *roles: str, primary: bool = False) -> dict[str, Any]:
    return {"account_id": account["id"], "roles": [*roles], "primary": primary}


@pytest.fixture
def user(customer: Harness) -> Caller:
    return customer.as_user()


def test_a_contact_is_at_several_accounts_with_roles(customer: Harness, user: Caller) -> None:
    works, advises = add(user, "accounts"), add(user, "accounts")
    contact = add(user, "contacts", account_id=works["id"])
    assert contact["accounts"] == [membership(works, primary=True)]
    linked = put(user, contact, advises["id"], roles=["influencer", "decision_maker"])
    assert linked.headers["ETag"] == '"2"'
    assert linked.json["accounts"] == [
        membership(works, primary=True),
        membership(advises, "decision_maker", "influencer"),
    ]
    assert linked.json["account_id"] == works["id"]
    told = customer.published("crm.customer.contact.changed.v1")[-1]
    assert (told.sequence, told.data["accounts"]) == (2, linked.json["accounts"])
    roled = put(user, linked.json, works["id"], roles=["user"]).json
    assert roled["accounts"][0] == membership(works, "user", primary=True)
    path = f"/v1/contacts/{contact['id']}/accounts/{advises['id']}"
    assert user.get(path).json == membership(advises, "decision_maker", "influencer")
    left = user.delete(path, headers={"If-Match": '"3"'})
    assert left.json["accounts"] == [membership(works, "user", primary=True)]
    assert user.get(path).status_code == 404
    assert user.delete(path, headers={"If-Match": '"4"'}).status_code == 404


def test_what_is_so_already_is_not_told(customer: Harness, user: Caller) -> None:
    account = add(user, "accounts")
    contact = put(user, add(user, "contacts"), account["id"], roles=["buyer"]).json
    told = len(customer.published())
    assert put(user, contact, account["id"], roles=["buyer"]).headers["ETag"] == '"2"'
    assert len(customer.published()) == told


def test_another_account_becomes_the_primary_one(user: Caller) -> None:
    first, second, third = (add(user, "accounts") for _ in range(3))
    contact = add(user, "contacts", account_id=first["id"])
    moved = put(user, contact, second["id"], roles=[], primary=True).json
    assert moved["account_id"] == second["id"]
    assert moved["accounts"] == [membership(second, primary=True), membership(first)]
    path, seen = f"/v1/contacts/{contact['id']}", {"If-Match": '"2"'}
    # a new account_id says where the contact went; the former primary account is left
    left = user.patch(path, json={"account_id": third["id"]}, headers=seen).json
    assert left["accounts"] == [membership(third, primary=True), membership(first)]
    alone = user.delete(f"{path}/accounts/{third['id']}", headers={"If-Match": '"3"'}).json
    assert (alone["account_id"], alone["accounts"]) == (None, [membership(first)])
    ordinary = put(user, alone, first["id"], primary=False).json
    assert ordinary["accounts"] == [membership(first)]


def test_a_membership_needs_the_version_and_both_sides(customer: Harness, user: Caller) -> None:
    hidden = add(user, "accounts")["id"]
    theirs = add(user, "contacts", account_id=hidden)
    rep = customer.as_user({"customer.*": "own"})
    mine, contact = add(rep, "accounts")["id"], add(rep, "contacts")
    path = f"/v1/contacts/{contact['id']}/accounts/{mine}"
    assert rep.put(path, json={"roles": []}).status_code == 428
    assert rep.put(path, json={"roles": []}, headers={"If-Match": '"9"'}).status_code == 412
    assert problem_fields(put(rep, contact, mine, roles=["king"])) == ["roles.0"]
    assert put(rep, contact, hidden).status_code == 404
    assert put(rep, contact, new_id()).status_code == 404
    assert put(rep, theirs, mine).status_code == 404
    assert rep.get(f"/v1/contacts/{theirs['id']}/accounts/{hidden}").status_code == 404
    assert rep.get(f"/v1/accounts/{hidden}/contacts").status_code == 404
    reader = customer.as_user({"customer.contacts.read": "all", "customer.accounts.read": "all"})
    assert put(reader, contact, mine).status_code == 403


def test_the_contacts_of_an_account_are_listed_by_role(customer: Harness, user: Caller) -> None:
    account, other = add(user, "accounts"), add(user, "accounts")
    path = f"/v1/accounts/{account['id']}/contacts"
    people = {
        "王芳": add(user, "contacts", name="王芳", account_id=account["id"]),
        "李雷": add(user, "contacts", name="李雷", account_id=other["id"]),
        "韩梅": add(user, "contacts", name="韩梅", phones=["+86 139 0555 0142"]),
        "林涛": add(user, "contacts", name="林涛", account_id=other["id"]),
    }
    put(user, people["李雷"], account["id"], roles=["decision_maker", "user"])
    put(user, people["韩梅"], account["id"], roles=["evaluator"])

    def listed(query: str = "", caller: Caller = user) -> list[str]:
        return [each["name"] for each in caller.get(f"{path}?sort=created_at{query}").json["items"]]

    assert listed() == ["王芳", "李雷", "韩梅"]
    assert listed("&role=user") == ["李雷"]
    assert listed("&role=evaluator&role=decision_maker") == ["李雷", "韩梅"]
    assert listed("&role=buyer") == []
    assert problem_fields(user.get(f"{path}?role=king")) == ["role.0"]
    first = user.get(f"{path}?sort=name&limit=2").json
    second = user.get(f"{path}?sort=name&limit=2&cursor={first['next_cursor']}").json
    assert len({each["id"] for each in first["items"] + second["items"]}) == 3
    reader = customer.as_user({"customer.contacts.read": "all", "customer.accounts.read": "all"})
    masked = {each["name"]: each["phones"] for each in reader.get(path).json["items"]}
    assert masked["韩梅"] == ["****0142"]
    rep = customer.as_user({"customer.accounts.read": "all", "customer.contacts.read": "own"})
    assert listed(caller=rep) == []


def test_roles_come_and_go_with_files(user: Caller, import_csv: Any) -> None:
    import_csv("accounts", "external_id,name\nA1,明光\nA2,Acme\n")
    rows = "external_id,name,account,roles\nK1,王芳,A1,user; decision_maker\nK2,李雷,,user\n"
    job, errors = import_csv("contacts", rows)
    assert (job["created"], [(error["row"], error["column"]) for error in errors]) == (
        1,
        [(3, "roles")],
    )
    (contact,) = user.get("/v1/contacts").json["items"]
    assert contact["accounts"][0]["roles"] == ["decision_maker", "user"]
    job, _ = import_csv("contacts", rows.replace("K2,李雷,,user\n", ""))
    assert job["unchanged"] == 1
    job, _ = import_csv("contacts", "external_id,name,account,roles\nK1,王芳,A2,buyer\n")
    assert job["changed"] == 1
    (contact,) = user.get("/v1/contacts").json["items"]
    (moved,) = contact["accounts"]
    assert (moved["roles"], moved["primary"]) == (["buyer"], True)
    header, row = user.get("/v1/exports/contacts").text.splitlines()
    assert dict(zip(header.split(","), row.split(","), strict=True))["roles"] == "buyer"


def test_subsidiaries_and_owners_at_any_distance(user: Caller) -> None:
    top = add(user, "accounts", name="明光集团")
    middle = add(user, "accounts", name="Mitte", parent_id=top["id"])
    left = add(user, "accounts", name="Links", parent_id=middle["id"], industry="IT")
    right = add(user, "accounts", name="Rechts", parent_id=middle["id"])
    add(user, "accounts", name="Anderswo")

    def below(account: dict[str, Any], query: str = "") -> list[str]:
        path = f"/v1/accounts/{account['id']}/subsidiaries?sort=name{query}"
        return [each["name"] for each in user.get(path).json["items"]]

    assert below(top) == ["Links", "Mitte", "Rechts"]
    assert below(middle) == ["Links", "Rechts"]
    assert below(left) == []
    assert below(top, "&industry=IT") == ["Links"]
    assert below(top, f"&parent_id={middle['id']}") == ["Links", "Rechts"]
    first = user.get(f"/v1/accounts/{top['id']}/subsidiaries?sort=name&limit=2").json
    assert below(top, f"&cursor={first['next_cursor']}") == ["Rechts"]
    above = user.get(f"/v1/accounts/{right['id']}/ancestors").json
    assert [each["name"] for each in above] == ["Mitte", "明光集团"]
    assert user.get(f"/v1/accounts/{top['id']}/ancestors").json == []


def test_of_a_tree_everybody_sees_the_own_part(customer: Harness, user: Caller) -> None:
    rep = customer.as_user({"customer.accounts.*": "own"})
    top = add(rep, "accounts")
    middle = add(user, "accounts", parent_id=top["id"])
    path, seen = f"/v1/accounts/{middle['id']}", {"If-Match": '"1"'}
    bottom = add(user, "accounts", parent_id=middle["id"], phones=["+86 571 5550 0142"])
    assert user.patch(path, json={"level": "A"}, headers=seen).status_code == 200
    assert rep.get(f"/v1/accounts/{top['id']}/subsidiaries").json["items"] == []
    assert rep.get(f"/v1/accounts/{middle['id']}/subsidiaries").status_code == 404
    assert rep.get(f"/v1/accounts/{bottom['id']}/ancestors").status_code == 404
    reader = customer.as_user({"customer.accounts.read": "all"})
    listed = reader.get(f"/v1/accounts/{top['id']}/subsidiaries?sort=created_at").json["items"]
    assert [each["phones"] for each in listed] == [[], ["****0142"]]


def test_a_contact_is_at_so_many_accounts_at_most(
    user: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "MOST_ACCOUNTS", 2)
    accounts = [add(user, "accounts")["id"] for _ in range(3)]
    contact = put(user, add(user, "contacts", account_id=accounts[0]), accounts[1]).json
    assert put(user, contact, accounts[2]).status_code == 409
    changed = put(user, contact, accounts[1], roles=["user"])
    assert changed.status_code == 200
    assert put(user, changed.json, accounts[0], roles=["user"]).status_code == 200
