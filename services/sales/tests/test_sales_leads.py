"""Leads: taken in, moved, converted once."""

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, problem_fields

LEAD = {
    "name": "王小明",
    "company": "Northwind",
    "phone": "+86 138 0013 8000",
    "email": "wang@Northwind.example",
    "source": "web",
    "industry": "finance",
}


def taken_in(sales: Harness, **values: object) -> tuple[dict, str]:
    response = sales.as_user().post("/v1/leads", json={**LEAD, **values})
    assert response.status_code == 201, response.json
    return response.json, response.headers["ETag"]


def test_a_new_lead_is_stored_normalised_and_told_of(sales: Harness) -> None:
    lead, etag = taken_in(sales)
    assert lead["status"] == "new"
    assert lead["phone"] == "+8613800138000"
    assert lead["email"] == "wang@northwind.example"
    assert etag == '"1"'
    (event,) = sales.published()
    assert event.type == "crm.sales.lead.created.v1"
    assert event.subject == lead["id"]
    assert event.sequence == 1
    assert event.data["name"] == "王小明"


def test_every_invalid_field_is_named_and_nothing_is_kept(sales: Harness) -> None:
    bad = {"name": " ", "email": "nobody", "phone": "call me", "score": "high", "colour": "red"}
    response = sales.as_user().post("/v1/leads", json=bad)
    assert response.status_code == 422
    assert problem_fields(response) == ["colour", "email", "name", "phone", "score"]
    assert sales.published() == []


def test_the_phone_is_masked_without_the_right_and_cannot_be_searched(sales: Harness) -> None:
    lead, _ = taken_in(sales)
    reader = sales.as_user({"sales.leads.read": "all"})
    assert reader.get(f"/v1/leads/{lead['id']}").json["phone"] == "****8000"
    assert reader.get("/v1/leads").json["items"][0]["phone"] == "****8000"
    assert "13800138000" not in reader.get("/v1/exports/leads").get_data(as_text=True)
    assert reader.get("/v1/leads?q=13800138").json["items"] == []
    assert reader.get("/v1/leads?phone=%2B8613800138000").status_code == 403
    entitled = sales.as_user({"sales.leads.*": "all"})
    assert entitled.get("/v1/leads?q=13800138").json["items"][0]["phone"] == "+8613800138000"


def test_a_lead_is_found_by_its_phone_and_address_as_typed(anywhere: Harness) -> None:
    lead, _ = taken_in(anywhere)
    rep = anywhere.as_user()
    rep.post("/v1/leads", json={"name": "李雷", "phone": "+86 138 0013 9000"})
    for name, typed in (("phone", LEAD["phone"]), ("email", LEAD["email"])):
        found = rep.get("/v1/leads", query_string={name: typed}).json["items"]
        assert [each["id"] for each in found] == [lead["id"]]
    assert problem_fields(rep.get("/v1/leads?phone=call+me")) == ["phone.0"]


def test_the_states_follow_the_definition(sales: Harness) -> None:
    lead, etag = taken_in(sales)
    rep = sales.as_user()
    path = f"/v1/leads/{lead['id']}/status"
    for status in ("contacted", "nurturing", "qualified", "junk", "recycled", "new"):
        response = rep.put(path, json={"status": status}, headers={"If-Match": etag})
        assert response.status_code == 200, response.json
        assert response.json["status"] == status
        etag = response.headers["ETag"]
    refused = rep.put(path, json={"status": "recycled"}, headers={"If-Match": etag})
    assert refused.status_code == 409
    changes = [event.data["change"] for event in sales.published()[1:]]
    assert [change["to_status"] for change in changes][-1] == "new"
    assert all(change["seconds_in_status"] >= 0 for change in changes)


def test_a_change_needs_the_version_that_was_seen(sales: Harness) -> None:
    lead, etag = taken_in(sales)
    rep, path = sales.as_user(), f"/v1/leads/{lead['id']}"
    assert rep.patch(path, json={"score": 5}).status_code == 428
    assert rep.patch(path, json={"score": 5}, headers={"If-Match": etag}).status_code == 200
    assert rep.patch(path, json={"score": 6}, headers={"If-Match": etag}).status_code == 412


def test_conversion_makes_one_opportunity_however_often_asked(sales: Harness) -> None:
    lead, _ = taken_in(sales)
    rep, path = sales.as_user(), f"/v1/leads/{lead['id']}/conversion"
    body = {"amount": "1200.00", "currency": "EUR"}
    first, second = rep.post(path, json=body), rep.post(path, json=body)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json == second.json
    opportunities = rep.get("/v1/opportunities").json["items"]
    assert [item["id"] for item in opportunities] == [first.json["opportunity_id"]]
    assert opportunities[0]["account_id"] == first.json["account_id"]
    (converted,) = sales.published("crm.sales.lead.converted.v1")
    assert converted.data["change"]["account"]["name"] == "Northwind"
    assert converted.data["change"]["contact"]["phone"] == "+8613800138000"


def test_a_lead_out_of_the_race_is_not_converted(sales: Harness) -> None:
    lead, etag = taken_in(sales)
    rep = sales.as_user()
    rep.put(f"/v1/leads/{lead['id']}/status", json={"status": "junk"}, headers={"If-Match": etag})
    body = {"amount": "1", "currency": "EUR"}
    refused = rep.post(f"/v1/leads/{lead['id']}/conversion", json=body)
    assert refused.status_code == 409
    assert rep.get("/v1/opportunities").json["items"] == []


def test_others_leads_are_not_there(sales: Harness) -> None:
    owner = sales.as_user({"sales.leads.*": "own"}, team=new_id())
    lead = owner.post("/v1/leads", json=LEAD).json
    other = sales.as_user({"sales.leads.*": "own"}, team=new_id())
    assert other.get(f"/v1/leads/{lead['id']}").status_code == 404
    assert other.get("/v1/leads").json["items"] == []
    assert owner.get(f"/v1/leads/{lead['id']}").status_code == 200


def test_an_idempotency_key_is_done_once_and_answered_alike(sales: Harness) -> None:
    rep, key = sales.as_user(), {"Idempotency-Key": "form-17"}
    first = rep.post("/v1/leads", json=LEAD, headers=key)
    again = rep.post("/v1/leads", json=LEAD, headers=key)
    assert again.json == first.json
    assert again.headers["Idempotency-Replayed"] == "true"
    assert len(sales.published()) == 1
    other = rep.post("/v1/leads", json={**LEAD, "name": "Other"}, headers=key)
    assert other.status_code == 422


def test_pages_follow_one_another_without_gap_or_repetition(sales: Harness) -> None:
    rep = sales.as_user()
    for number in range(7):
        rep.post("/v1/leads", json={"name": f"Lead {number}", "score": number % 3})
    seen, cursor = [], ""
    while cursor is not None:
        page = rep.get(f"/v1/leads?limit=3&sort=-score{cursor and '&cursor='}{cursor}").json
        seen += page["items"]
        cursor = page["next_cursor"]
    assert len({lead["id"] for lead in seen}) == 7
    assert [lead["score"] for lead in seen] == sorted((n % 3 for n in range(7)), reverse=True)
    assert problem_fields(rep.get("/v1/leads?cursor=nonsense")) == ["cursor"]
    assert problem_fields(rep.get("/v1/leads?colour=red")) == ["colour"]


def test_a_lead_may_be_said_to_have_been_converted_earlier(sales: Harness) -> None:
    lead, _ = taken_in(sales, created_on="2026-01-10")
    rep, path = sales.as_user(), f"/v1/leads/{lead['id']}/conversion"
    body = {"amount": "1200.00", "currency": "EUR"}
    early = rep.post(path, json={**body, "converted_on": "2026-01-09"})
    assert problem_fields(early) == ["converted_on"]
    converted = rep.post(path, json={**body, "converted_on": "2026-01-20"})
    assert converted.json["converted_on"] == "2026-01-20"
    (deal,) = rep.get("/v1/opportunities").json["items"]
    assert deal["opened_on"] == "2026-01-20"
