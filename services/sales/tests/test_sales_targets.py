"""Targets: of whom, in what, who sees them and who sets them, and what is told of them."""

import io
from typing import Any

import pytest

from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION

MONTH = {"month": "2026-11", "currency": "EUR"}
V1, V2 = "crm.sales.target.set.v1", "crm.sales.target.set.v2"


def target(scope: str, member: str | None, amount: str = "100", **more: Any) -> dict[str, Any]:
    return {"scope": scope, "member_id": member, "amount": amount, **MONTH, **more}


def put(caller: Caller, *args: Any, **more: Any) -> Any:
    return caller.put("/v1/targets", json=target(*args, **more))


def test_a_target_without_a_measure_is_one_in_sales_and_both_versions_tell_of_it(
    anywhere: Harness,
) -> None:
    ann = new_id()
    admin = anywhere.as_user()
    set_ = put(admin, "person", ann).json
    assert set_["measure"] == "sales"
    assert put(admin, "person", ann, "120").json["id"] == set_["id"]
    for version in (V1, V2):
        told = anywhere.published(version)
        assert [(e.subject, e.sequence, e.data["amount"]) for e in told] == [
            (set_["id"], 1, "100.00"),
            (set_["id"], 2, "120.00"),
        ]
    assert "measure" not in anywhere.published(V1)[0].data


def test_a_member_has_a_target_for_each_measure_and_the_first_version_knows_sales_alone(
    anywhere: Harness,
) -> None:
    team = new_id()
    admin = anywhere.as_user()
    in_sales = put(admin, "team", team).json
    in_receipts = put(admin, "team", team, "80", measure="receipts").json
    assert in_sales["id"] != in_receipts["id"]
    assert [told.subject for told in anywhere.published(V1)] == [in_sales["id"]]
    assert {told.data["measure"] for told in anywhere.published(V2)} == {"sales", "receipts"}
    found = admin.get("/v1/targets?measure=receipts").json["items"]
    assert [other["id"] for other in found] == [in_receipts["id"]]


def test_the_company_has_one_target_a_month_and_no_member(anywhere: Harness) -> None:
    admin = anywhere.as_user()
    first = admin.put("/v1/targets", json={"scope": "company", "amount": "900", **MONTH})
    assert first.json["member_id"] is None
    again = put(admin, "company", None, "1000").json
    assert (again["id"], again["version"], again["amount"]) == (first.json["id"], 2, "1000.00")
    assert anywhere.published(V1) == []
    assert problem_fields(put(admin, "company", new_id())) == ["member_id"]
    assert problem_fields(put(admin, "person", None)) == ["member_id"]
    assert problem_fields(put(admin, "person", new_id(), measure="profit")) == ["measure"]


def test_targets_come_out_of_a_file(sales: Harness) -> None:
    team = new_id()
    data = {"id": team, "external_id": "N", "name": "North"}
    sales.deliver(event("crm.gateway.team.created.v1", data))
    admin = sales.as_user()

    def imported(rows: str) -> list[tuple[int, str]]:
        columns = {"key": "external_id", "of": "scope", "who": "member", "in": "measure"}
        job = {"resource": "targets", "columns": columns | {"month": "month", "amount": "amount"}}
        path = f"/v1/imports/{admin.post('/v1/imports', json=job).json['id']}"
        content = f"key,of,who,in,month,amount\n{rows}"
        admin.put(f"{path}/content", input_stream=io.BytesIO(content.encode()))
        runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
        while runner.step():
            pass
        errors = admin.get(f"{path}/errors").json["items"]
        return [(error["row"], error["field"]) for error in errors]

    assert imported("1,company,,receipts,2026-11,500\n") == [(2, "currency")]
    admin.put("/v1/settings/currency", json={"base_currency": "EUR"}, headers={"If-Match": '"0"'})
    refused = imported(
        "1,company,,receipts,2026-11,500\n"
        "2,team,N,,2026-11,100\n"
        "3,company,N,,2026-11,9\n"
        "4,team,,,2026-11,9\n"
        "5,person,N,,2026-11,9\n"
    )
    assert sorted(field for _, field in refused) == ["member", "member", "member"]
    found = admin.get("/v1/targets").json["items"]
    assert {(t["scope"], t["member_id"], t["measure"], t["currency"]) for t in found} == {
        ("company", None, "receipts", "EUR"),
        ("team", team, "sales", "EUR"),
    }
    ((_, field),) = imported("2,team,N,receipts,2026-11,100\n")
    assert field == "measure"
    assert imported("2,team,N,,2026-11,120\n") == []
    assert sales.published(V1)[-1].data["amount"] == "120.00"


@pytest.fixture
def company(anywhere: Harness) -> dict[str, str]:
    """North with Ann and, below it, Coast with Bo; South with Cy."""
    ids = {name: new_id() for name in ("north", "coast", "south", "ann", "bo", "cy")}
    for team, parent in (("north", None), ("coast", "north"), ("south", None)):
        data = {"id": ids[team], "name": team, "parent_id": ids.get(parent or "")}
        anywhere.deliver(event("crm.gateway.team.created.v1", data))
    for user, team in (("ann", "north"), ("bo", "coast"), ("cy", "south")):
        data = {"id": ids[user], "name": user, "team_id": ids[team]}
        anywhere.deliver(event("crm.gateway.user.created.v1", data))
    return ids


SEEN = {
    "own": {"company", "ann"},
    "team": {"company", "ann", "north"},
    "subtree": {"company", "ann", "north", "bo", "coast"},
    "all": {"company", "ann", "north", "bo", "coast", "cy", "south"},
}


@pytest.mark.parametrize("scope", SEEN)
def test_targets_are_seen_and_set_as_far_as_the_permission_reaches(
    anywhere: Harness, company: dict[str, str], scope: Scope
) -> None:
    admin = anywhere.as_user()
    members = {"company": ("company", None)}
    members |= {name: ("team", company[name]) for name in ("north", "coast", "south")}
    members |= {name: ("person", company[name]) for name in ("ann", "bo", "cy")}
    for of in members.values():
        put(admin, *of)
    ids = {None: "company"} | {id_: name for name, id_ in company.items()}
    grants = {f"sales.targets.{right}": scope for right in ("read", "write")}
    ann = anywhere.as_user(grants, team=company["north"], user_id=company["ann"])
    listed = ann.get("/v1/targets").json["items"]
    assert {ids[found["member_id"]] for found in listed} == SEEN[scope]
    exported = ann.get("/v1/exports/targets").text
    assert len(exported.splitlines()) == 1 + len(SEEN[scope])
    settable = {name for name, of in members.items() if put(ann, *of, "5").status_code == 200}
    assert settable == SEEN[scope] - (set() if scope == "all" else {"company"})
    refused = put(anywhere.as_user({"sales.targets.read": "all"}), "person", company["ann"])
    assert refused.status_code == 403
