"""Contacts: people at accounts, or by themselves."""

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, problem_fields

CONTACT = {
    "name": "王芳",
    "sex": "female",
    "job_title": "采购总监",
    "phones": ["+86 139 0555 0142"],
    "emails": ["wang.fang@brightoptics.example"],
    "addresses": ["文一路18号"],
    "preferences": "中午之前打电话",
    "region": "East China",
    "level": "B",
    "source": "trade fair",
}


def added(customer: Harness, caller: Caller | None = None, **values: object) -> tuple[dict, str]:
    response = (caller or customer.as_user()).post("/v1/contacts", json={**CONTACT, **values})
    assert response.status_code == 201, response.json
    return response.json, response.headers["ETag"]


def test_a_new_contact_is_stored_normalised_and_told_of(customer: Harness) -> None:
    user = customer.as_user()
    account = user.post("/v1/accounts", json={"name": "明光"}).json
    contact, etag = added(customer, user, account_id=account["id"])
    assert contact["phones"] == ["+8613905550142"]
    assert etag == '"1"'
    (told,) = customer.published("crm.customer.contact.created.v1")
    unsaid = {"version", "created_at", "updated_at", "phones_typed", "last_contacted_at"}
    unsaid |= {"completeness", "quality", "validity"}
    assert told.data == {k: v for k, v in contact.items() if k not in unsaid}
    listed = user.get(f"/v1/contacts?account_id={account['id']}&q=王").json["items"]
    assert listed == [contact]


def test_every_invalid_field_is_named_and_nothing_is_kept(customer: Harness) -> None:
    bad = {
        "name": "",
        "sex": "x" * 21,
        "job_title": "x" * 101,
        "phones": ["1"],
        "needs": "x" * 4001,
        "level": "a",
        "created_on": "yesterday",
        "industry": "finance",
    }
    response = customer.as_user().post("/v1/contacts", json=bad)
    assert problem_fields(response) == sorted({*bad, "phones.0"} - {"phones"})
    assert customer.published() == []


def test_an_account_is_there_and_visible(customer: Harness) -> None:
    hidden = customer.as_user().post("/v1/accounts", json={"name": "x"}).json["id"]
    rep = customer.as_user({"customer.*": "own"})
    for account_id in (new_id(), hidden):
        refused = rep.post("/v1/contacts", json={**CONTACT, "account_id": account_id})
        assert problem_fields(refused) == ["account_id"]
    contact, etag = added(customer, rep)
    path, seen = f"/v1/contacts/{contact['id']}", {"If-Match": etag}
    refused = rep.patch(path, json={"account_id": hidden}, headers=seen)
    assert problem_fields(refused) == ["account_id"]
    mine = rep.post("/v1/accounts", json={"name": "mine"}).json["id"]
    moved = rep.patch(path, json={"account_id": mine}, headers=seen)
    assert moved.json["account_id"] == mine
    alone = rep.patch(path, json={"account_id": None}, headers={"If-Match": moved.headers["ETag"]})
    assert alone.json["account_id"] is None


def test_a_change_needs_the_version_that_was_seen(customer: Harness) -> None:
    contact, etag = added(customer)
    user, path = customer.as_user(), f"/v1/contacts/{contact['id']}"
    assert user.patch(path, json={"level": "A"}).status_code == 428
    assert user.patch(path, json={"level": "A"}, headers={"If-Match": etag}).status_code == 200
    assert user.patch(path, json={"level": "C"}, headers={"If-Match": etag}).status_code == 412
    (told,) = customer.published("crm.customer.contact.changed.v1")
    assert (told.sequence, told.data["level"]) == (2, "A")


def test_phones_are_masked_on_every_way_out_without_the_right(customer: Harness) -> None:
    contact, _ = added(customer)
    # the right to the accounts' numbers is not the right to people's
    reader = customer.as_user({"customer.contacts.read": "all", "customer.accounts.*": "all"})
    assert reader.get(f"/v1/contacts/{contact['id']}").json["phones"] == ["****0142"]
    assert reader.get("/v1/contacts").json["items"][0]["phones"] == ["****0142"]
    assert "3905550142" not in reader.get("/v1/exports/contacts").text
    assert reader.get("/v1/contacts?q=0142").json["items"] == []
    assert reader.get("/v1/contacts?phone=%2B8613905550142").status_code == 403
    assert reader.get("/v1/exports/contacts?phone=%2B8613905550142").status_code == 403
    entitled = customer.as_user({"customer.contacts.*": "all"})
    assert entitled.get("/v1/contacts?q=0142").json["items"][0]["phones"] == ["+8613905550142"]
    found = entitled.get("/v1/contacts?phone=%2B8613905550142").json["items"]
    assert [item["id"] for item in found] == [contact["id"]]


def test_others_contacts_are_not_there(customer: Harness) -> None:
    owner = customer.as_user({"customer.contacts.*": "own"}, team=new_id())
    contact, etag = added(customer, owner)
    other = customer.as_user({"customer.contacts.*": "team"}, team=new_id())
    path = f"/v1/contacts/{contact['id']}"
    assert other.get(path).status_code == 404
    assert other.patch(path, json={"level": "A"}, headers={"If-Match": etag}).status_code == 404
    assert other.get("/v1/contacts").json["items"] == []
    assert "王芳" not in other.get("/v1/exports/contacts").text
    assert owner.get(path).status_code == 200


def test_an_idempotency_key_adds_one_contact(customer: Harness) -> None:
    user, key = customer.as_user(), {"Idempotency-Key": "card-3"}
    first = user.post("/v1/contacts", json=CONTACT, headers=key)
    again = user.post("/v1/contacts", json=CONTACT, headers=key)
    assert again.json == first.json
    assert len(customer.published()) == 1
