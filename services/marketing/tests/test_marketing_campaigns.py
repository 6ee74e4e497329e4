"""Campaigns: planned, run, ended, and imported as they stand."""

import io

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_marketing.app import DEFINITION

CAMPAIGN = {
    "name": "春季 roadshow",
    "channel": "event",
    "budget": "20000",
    "currency": "CNY",
    "starts_on": "2026-03-01",
    "ends_on": "2026-04-15",
}


def planned(marketing: Harness, **values: object) -> tuple[Caller, str, str]:
    marketer = marketing.as_user()
    response = marketer.post("/v1/campaigns", json={**CAMPAIGN, **values})
    assert response.status_code == 201, response.json
    return marketer, f"/v1/campaigns/{response.json['id']}", response.headers["ETag"]


def test_a_new_campaign_is_in_planning_and_told_of(marketing: Harness) -> None:
    marketer, path, etag = planned(marketing)
    campaign = marketer.get(path).json
    assert (campaign["status"], campaign["budget"]) == ("planning", "20000.00")
    assert campaign["owner_id"] == marketer.id
    assert etag == '"1"'
    (told,) = marketing.published()
    assert told.type == "crm.marketing.campaign.created.v1"
    assert (told.subject, told.sequence) == (campaign["id"], 1)
    assert (told.data["name"], told.data["actual_cost"]) == ("春季 roadshow", None)


def test_every_invalid_field_is_named_and_nothing_is_kept(marketing: Harness) -> None:
    bad = {
        "name": "",
        "budget": "-1",
        "actual_cost": 12.5,
        "currency": "euro",
        "channel": "x" * 65,
        "starts_on": "2026-02-30",
        "status": "active",
    }
    response = marketing.as_user().post("/v1/campaigns", json=bad)
    assert response.status_code == 422
    assert problem_fields(response) == sorted(bad)
    assert marketing.published() == []


def test_a_campaign_does_not_end_before_it_starts(marketing: Harness) -> None:
    marketer, path, etag = planned(marketing)
    body = {**CAMPAIGN, "ends_on": "2026-02-28"}
    assert problem_fields(marketer.post("/v1/campaigns", json=body)) == ["ends_on"]
    tag = {"If-Match": etag}
    late = marketer.patch(path, json={"starts_on": "2026-05-01"}, headers=tag)
    assert problem_fields(late) == ["ends_on"]
    open_ended = {"starts_on": "2026-05-01", "ends_on": None}
    assert marketer.patch(path, json=open_ended, headers=tag).status_code == 200


def test_an_amount_needs_its_currency(marketing: Harness) -> None:
    marketer, path, etag = planned(marketing)
    poor = marketer.post("/v1/campaigns", json={"name": "x", "actual_cost": "0"})
    assert problem_fields(poor) == ["currency"]
    none = marketer.patch(path, json={"currency": None}, headers={"If-Match": etag})
    assert problem_fields(none) == ["currency"]
    assert marketer.post("/v1/campaigns", json={"name": "x"}).status_code == 201


def test_a_change_is_told_once_and_needs_the_version_that_was_seen(marketing: Harness) -> None:
    marketer, path, etag = planned(marketing)
    cost = {"actual_cost": "18250.5"}
    assert marketer.patch(path, json=cost).status_code == 428
    changed = marketer.patch(path, json=cost, headers={"If-Match": etag})
    assert changed.json["actual_cost"] == "18250.50"
    assert marketer.patch(path, json=cost, headers={"If-Match": etag}).status_code == 412
    again = marketer.patch(path, json=cost, headers={"If-Match": changed.headers["ETag"]})
    assert again.headers["ETag"] == changed.headers["ETag"]
    (told,) = marketing.published("crm.marketing.campaign.changed.v1")
    assert (told.sequence, told.data["actual_cost"]) == (2, "18250.50")


FOLLOWS = {
    "planning": {"active", "cancelled"},
    "active": {"paused", "complete", "cancelled"},
    "paused": {"active", "complete", "cancelled"},
    "complete": set(),
    "cancelled": set(),
}


@given(st.lists(st.sampled_from(sorted(FOLLOWS)), max_size=10))
@settings(
    max_examples=40,
    deadline=None,
    # Every example plans a campaign of its own in the one service.
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_moves_follow_the_definition_and_a_refused_one_changes_nothing(
    marketing: Harness, moves: list[str]
) -> None:
    marketer, path, _ = planned(marketing)
    for status in moves:
        before = marketer.get(path)
        told = len(marketing.published())
        answer = marketer.put(
            f"{path}/status", json={"status": status}, headers={"If-Match": before.headers["ETag"]}
        )
        after = marketer.get(path)
        if status in FOLLOWS[before.json["status"]]:
            assert (answer.status_code, after.json["status"]) == (200, status)
            assert marketing.published()[-1].data["change"] == {
                "from_status": before.json["status"],
                "to_status": status,
            }
        else:
            assert answer.status_code == 409
            assert after.json == before.json
            assert len(marketing.published()) == told


def test_an_unknown_status_is_a_named_problem(marketing: Harness) -> None:
    marketer, path, etag = planned(marketing)
    response = marketer.put(f"{path}/status", json={"status": "won"}, headers={"If-Match": etag})
    assert problem_fields(response) == ["status"]


def test_the_list_is_filtered_sorted_searched_and_paged(marketing: Harness) -> None:
    marketer = marketing.as_user()
    for number in range(5):
        day = f"2026-0{number + 1}-01"
        body = {"name": f"Wave {number}", "channel": "mail" if number % 2 else "web"}
        marketer.post("/v1/campaigns", json={**body, "starts_on": day})

    def names(query: str) -> list[str]:
        return [item["name"] for item in marketer.get(f"/v1/campaigns?{query}").json["items"]]

    assert names("channel=mail&sort=name") == ["Wave 1", "Wave 3"]
    assert names("starts_on_from=2026-02-01&starts_on_to=2026-03-01&sort=-name") == [
        "Wave 2",
        "Wave 1",
    ]
    assert names("q=wave%204") == ["Wave 4"]
    assert names("status=active,paused") == []
    first = marketer.get("/v1/campaigns?limit=3").json
    rest = marketer.get(f"/v1/campaigns?limit=3&cursor={first['next_cursor']}").json
    assert [item["name"] for item in first["items"] + rest["items"]] == [
        f"Wave {number}" for number in (4, 3, 2, 1, 0)
    ]
    assert rest["next_cursor"] is None


def test_others_campaigns_are_not_there(marketing: Harness) -> None:
    mine, theirs = new_id(), new_id()
    owner = marketing.as_user({"marketing.campaigns.*": "team"}, team=mine)
    campaign = owner.post("/v1/campaigns", json=CAMPAIGN).json
    path = f"/v1/campaigns/{campaign['id']}"
    colleague = marketing.as_user({"marketing.campaigns.*": "team"}, team=mine)
    stranger = marketing.as_user({"marketing.campaigns.*": "team"}, team=theirs)
    assert colleague.get(path).json["team_id"] == mine
    assert stranger.get(path).status_code == 404
    assert stranger.get("/v1/campaigns").json["items"] == []
    assert "roadshow" not in stranger.get("/v1/exports/campaigns").text
    tag = {"If-Match": '"1"'}
    assert stranger.patch(path, json={"name": "x"}, headers=tag).status_code == 404
    reader = marketing.as_user({"marketing.campaigns.read": "all"})
    assert reader.patch(path, json={"name": "x"}, headers=tag).status_code == 403


def test_a_campaign_is_given_only_to_somebody_in_reach(marketing: Harness) -> None:
    theirs, user = new_id(), new_id()
    marketing.deliver(
        event("crm.gateway.user.created.v1", {"id": user, "name": "Li", "team_id": theirs})
    )
    mine = marketing.as_user({"marketing.campaigns.*": "team"}, team=new_id())
    body = {**CAMPAIGN, "owner_id": user}
    assert mine.post("/v1/campaigns", json=body).status_code == 403
    everybody = marketing.as_user({"marketing.campaigns.*": "all"})
    assert everybody.post("/v1/campaigns", json=body).json["team_id"] == theirs
    unknown = everybody.post("/v1/campaigns", json={**CAMPAIGN, "owner_id": new_id()})
    assert problem_fields(unknown) == ["owner_id"]


MAPPING = {
    "resource": "campaigns",
    "columns": {
        "id": "external_id",
        "title": "name",
        "owner": "owner",
        "state": "status",
        "from": "starts_on",
        "to": "ends_on",
        "spent": "actual_cost",
    },
    "constants": {"currency": "EUR"},
    "values": {"status": {"Done": "complete"}},
}
HEADER = "id,title,owner,state,from,to,spent\n"


def imported(marketing: Harness, rows: str, **options: object) -> tuple[dict, list[dict]]:
    admin = marketing.as_user()
    job = admin.post("/v1/imports", json={**MAPPING, **options}).json
    path = f"/v1/imports/{job['id']}"
    content = io.BytesIO((HEADER + rows).encode())
    assert admin.put(f"{path}/content", input_stream=content).status_code == 202
    runner = ImportRunner("marketing", marketing.service.database, DEFINITION.importers)
    while runner.step():
        pass
    return admin.get(path).json, admin.get(f"{path}/errors").json["items"]


def known_owner(marketing: Harness) -> tuple[str, str]:
    user, team = new_id(), new_id()
    data = {"id": user, "external_id": "emp-7", "name": "李娜", "team_id": team}
    marketing.deliver(event("crm.gateway.user.created.v1", data))
    return user, team


def test_rows_become_campaigns_as_they_stand_once(marketing: Harness) -> None:
    user, team = known_owner(marketing)
    rows = "C1,Fair,李娜,Done,2025-05-01,2025-05-03,900.25\nC2,Mailing,emp-7,,,,\n"
    job, errors = imported(marketing, rows)
    assert (errors, job["created"], job["state"]) == ([], 2, "done")
    found = {c["external_id"]: c for c in marketing.as_user().get("/v1/campaigns").json["items"]}
    assert (found["C1"]["status"], found["C1"]["actual_cost"]) == ("complete", "900.25")
    assert (found["C2"]["status"], found["C2"]["actual_cost"]) == ("planning", None)
    assert {(c["owner_id"], c["team_id"]) for c in found.values()} == {(user, team)}
    job, _ = imported(marketing, rows)
    assert (job["created"], job["changed"], job["unchanged"]) == (0, 0, 2)
    assert len(marketing.published()) == 2


def test_a_row_that_says_another_status_moves_the_campaign(marketing: Harness) -> None:
    known_owner(marketing)
    imported(marketing, "C1,Fair,,active,,,\n")
    job, _ = imported(marketing, "C1,Fair 2025,,Done,,,\n")
    assert job["changed"] == 1
    told = marketing.published()[-1]
    assert told.type == "crm.marketing.campaign.status_changed.v1"
    assert told.data["change"] == {"from_status": "active", "to_status": "complete"}
    assert told.data["name"] == "Fair 2025"


def test_bad_rows_are_reported_by_row_and_column_and_the_rest_is_kept(marketing: Harness) -> None:
    known_owner(marketing)
    rows = (
        "C1,Fair,Nobody,,,,\n"
        "C2,Fair,,,2025-05-03,2025-05-01,\n"
        "C3,Fair,,Lost,,,ten\n"
        ",Fair,,,,,\n"
        "C5,Fair,李娜,,,,\n"
    )
    job, errors = imported(marketing, rows)
    assert (job["created"], job["failed"]) == (1, 4)
    places = {(error["row"], error["column"]) for error in errors}
    assert places == {(2, "owner"), (3, "to"), (4, "state"), (4, "spent"), (5, "id")}


def test_a_dry_run_reports_and_keeps_nothing(marketing: Harness) -> None:
    job, _ = imported(marketing, "C1,Fair,,Done,,,\n", dry_run=True)
    assert job["created"] == 1
    assert marketing.as_user().get("/v1/campaigns").json["items"] == []
    assert marketing.published() == []


def test_the_export_is_the_list_as_csv(marketing: Harness) -> None:
    marketer, _, _ = planned(marketing)
    marketer.post("/v1/campaigns", json={"name": "Other", "channel": "web"})
    lines = marketer.get("/v1/exports/campaigns?channel=event").text.splitlines()
    assert len(lines) == 2
    assert "春季 roadshow" in lines[1]
