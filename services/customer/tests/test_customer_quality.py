"""How complete and valid records are: each, by owner and team, and from day to day."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import update

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness
from crm_customer.contacts.models import Contact
from crm_customer.duplicates.models import duplicate_keys
from crm_customer.quality.scoring import VALIDITY_WEIGHTS, WEIGHTS
from crm_customer.quality.timers import measure_day

WHOLE: dict[str, Any] = {
    "name": "王芳",
    "phones": ["+8613800138000"],
    "emails": ["wang.fang@brightoptics.example"],
    "addresses": ["北京市朝阳区建国路88号"],
    "consent": {"email": {"state": "granted"}},
    "region": "North",
    "source": "fair",
    "job_title": "Buyer",
}


@pytest.fixture
def admin(customer: Harness) -> Caller:
    return customer.as_user()


def added(caller: Caller, **values: Any) -> dict[str, Any]:
    response = caller.post("/v1/contacts", json={"accept_duplicate": "-", **values})
    assert response.status_code == 201, response.json
    return response.json


def scores(record: dict[str, Any]) -> tuple[int, int, int]:
    return record["quality"], record["completeness"], record["validity"]


def test_the_weights_are_of_a_hundred() -> None:
    assert {sum(weights.values()) for weights in WEIGHTS.values()} == {100}
    assert sum(VALIDITY_WEIGHTS.values()) == 100


def test_a_record_is_scored_with_every_write(admin: Caller) -> None:
    contact = added(admin, **WHOLE)
    assert scores(contact) == (95, 95, 100)  # it is at no account
    path = f"/v1/contacts/{contact['id']}"
    told = admin.get(f"{path}/quality").json
    assert (told["missing"], told["faults"]) == (["account_id"], [])
    changes = {"phones": ["12345"], "region": None}
    changed = admin.patch(path, json=changes, headers={"If-Match": "1"}).json
    assert scores(changed) == (58, 90, 65)
    told = admin.get(f"{path}/quality").json
    assert told["missing"] == ["region", "account_id"]
    assert [each["field"] for each in told["faults"]] == ["phones"]


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"phones": ["12345678"]}, "phones"),
        ({"phones": ["+8613800138000", "+8610000000000"]}, "phones"),
        ({"emails": ["noreply@brightoptics.example"]}, "emails"),
        ({"addresses": ["unknown"]}, "addresses"),
        ({"phones": [], "consent": {"phone": {"state": "granted"}}}, "consent"),
        ({"phones": [], "emails": [], "addresses": [], "consent": {}}, "phones"),
    ],
)
def test_what_is_wrong_is_named(admin: Caller, values: dict[str, Any], fault: str) -> None:
    contact = added(admin, **{**WHOLE, **values})
    told = admin.get(f"/v1/contacts/{contact['id']}/quality").json
    assert [each["field"] for each in told["faults"]] == [fault]
    assert contact["validity"] < 100


def test_invalid_records_are_listed_and_sorted_by_quality(admin: Caller) -> None:
    whole, bare = added(admin, **WHOLE), added(admin, name="Nobody")
    poor = added(admin, name="Bob", emails=["noreply@miller.example"])

    def ids(query: str) -> list[str]:
        return [each["id"] for each in admin.get(f"/v1/contacts?{query}").json["items"]]

    assert set(ids("valid=false")) == {bare["id"], poor["id"]}
    assert ids("valid=true") == [whole["id"]]
    assert ids("quality_from=50") == [whole["id"]]
    assert set(ids("quality_to=50")) == {bare["id"], poor["id"]}
    assert ids("sort=-quality")[0] == whole["id"]
    first = admin.get("/v1/contacts?sort=quality&limit=2").json
    rest = admin.get(f"/v1/contacts?sort=quality&limit=2&cursor={first['next_cursor']}").json
    assert [each["id"] for each in rest["items"]] == [whole["id"]]


def test_the_summary_is_by_owner_of_what_is_visible(customer: Harness) -> None:
    team = new_id()
    reps = [customer.as_user(team=team), customer.as_user(team=new_id())]
    for rep in reps:
        added(rep, **WHOLE)
    added(reps[0], name="Nobody")
    items = customer.as_user().get("/v1/quality?kind=contact&by=owner").json["items"]
    of_rep = {each["key"]: each for each in items}
    assert of_rep[reps[0].id] == {
        "key": reps[0].id,
        "records": 2,
        "valid": 1,
        "valid_percent": 50.0,
        "quality": 47.5,
        "completeness": 52.5,
    }
    assert of_rep[reps[1].id]["valid_percent"] == 100.0
    grants: Any = {"customer.quality.read": "team", "customer.contacts.read": "team"}
    colleague = customer.as_user(grants, team=team)
    by_team = colleague.get("/v1/quality?kind=contact&by=team").json["items"]
    assert [(each["key"], each["records"]) for each in by_team] == [(team, 2)]
    (in_all,) = colleague.get("/v1/quality?kind=contact").json["items"]
    assert (in_all["key"], in_all["records"]) == (None, 2)
    assert colleague.get("/v1/quality?kind=account").status_code == 403


def test_the_progress_is_kept_from_day_to_day(customer: Harness, admin: Caller) -> None:
    bad = [added(admin, name=f"Bob {n}", emails=["noreply@miller.example"]) for n in range(3)]
    for n in range(7):
        added(admin, **{**WHOLE, "name": f"王芳{n}"})
    today = datetime.now(UTC)

    def measure(day: datetime) -> None:
        with customer.service.database.transaction() as session:
            measure_day(session, day)

    measure(today - timedelta(days=1))
    measure(today - timedelta(days=1))
    for contact in bad:
        path = f"/v1/contacts/{contact['id']}"
        mended = {"emails": ["bob@miller.example"]}
        assert admin.patch(path, json=mended, headers={"If-Match": "1"}).status_code == 200
    measure(today)
    days = admin.get("/v1/quality/progress?kind=contact").json["items"]
    assert [(each["records"], each["valid_percent"]) for each in days] == [(10, 70.0), (10, 100.0)]
    first = days[0]["day"]
    only = admin.get(f"/v1/quality/progress?kind=contact&first_day={first}&last_day={first}").json
    assert len(only["items"]) == 1
    wrong = admin.get("/v1/quality/progress?kind=contact&first_day=1900-01-01")
    assert wrong.status_code == 422


def test_what_an_earlier_release_stored_is_scored_and_keyed(
    customer: Harness, admin: Caller
) -> None:
    contact = added(admin, **WHOLE)
    with customer.service.database.transaction() as session:
        session.execute(update(Contact).values(quality=-1, validity=-1, completeness=-1))
        session.execute(duplicate_keys.delete())
    assert admin.get(f"/v1/contacts/{contact['id']}").json["quality"] is None
    customer.service.scheduler.start_recurring()
    while customer.service.scheduler.step():
        pass
    after = admin.get(f"/v1/contacts/{contact['id']}").json
    assert (scores(after), after["version"]) == ((95, 95, 100), 1)
    assert admin.post("/v1/contacts", json=WHOLE).status_code == 409
