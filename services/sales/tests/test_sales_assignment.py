"""Who gets a lead that comes in without an owner."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from crm_chassis.database import new_id
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_sales.app import DEFINITION


def users(sales: Harness, count: int, **values: object) -> list[str]:
    ids = [new_id() for _ in range(count)]
    sales.deliver(
        *(
            event("crm.gateway.user.created.v1", {"id": id_, "name": id_, "active": True, **values})
            for id_ in ids
        )
    )
    return ids


def rule(sales: Harness, **values: object) -> dict:
    fields = {"name": "规则", "strategy": "round_robin", **values}
    response = sales.as_user().post("/v1/assignment-rules", json=fields)
    assert response.status_code == 201, response.json
    return response.json


def owners(form: Caller, count: int, **values: object) -> list[str | None]:
    return [
        form.post("/v1/leads", json={"name": "王小明", **values}).json["owner_id"]
        for _ in range(count)
    ]


@pytest.fixture
def form(sales: Harness) -> Caller:
    """A web form: an API client that takes leads in."""
    return sales.as_user({"sales.leads.write": "all"}, kind="client")


def test_a_round_goes_by_turns_and_leaves_out_who_is_not_active(
    sales: Harness, form: Caller
) -> None:
    first, second, away = *users(sales, 2), *users(sales, 1, active=False)
    rule(sales, members=[first, away, second])
    assert owners(form, 4) == [first, second, first, second]
    assert owners(sales.as_user(), 1, owner_id=None) == [None]


def test_the_first_rule_that_is_met_decides_whatever_the_case_of_texts(
    sales: Harness, form: Caller
) -> None:
    late, fair, rich = users(sales, 3)
    rule(sales, members=[late], position=30)
    rule(sales, members=[fair], position=20, sources=["Trade Fair"], regions=["华东"])
    rule(sales, members=[rich], position=10, score_from=80, score_to=90)
    assert owners(form, 1, source="trade fair", region="华东") == [fair]
    assert owners(form, 1, source="trade fair", region="华北") == [late]
    assert owners(form, 1, source="trade fair", region="华东", score=80) == [rich]
    assert owners(form, 1, score=91) == [late]


def test_a_region_has_its_user_and_a_rule_without_anybody_is_passed_over(
    sales: Harness, form: Caller
) -> None:
    east, rest = users(sales, 2)
    rule(sales, strategy="region", region_members={"华东": east}, position=1)
    assert owners(form, 1, region="华北") == [None]
    rule(sales, members=[rest], position=2)
    assert owners(form, 1, region="华东") == [east]
    assert owners(form, 1, region="华北") == [rest]


def test_load_gives_to_who_has_fewest_open_leads(sales: Harness, form: Caller) -> None:
    busy, idle = users(sales, 2)
    admin = sales.as_user()
    for _ in range(2):
        admin.post("/v1/leads", json={"name": "x", "owner_id": busy})
    junk = admin.post("/v1/leads", json={"name": "x", "owner_id": idle}).json
    admin.put(
        f"/v1/leads/{junk['id']}/status", json={"status": "junk"}, headers={"If-Match": '"1"'}
    )
    rule(sales, strategy="load", members=[busy, idle])
    assert owners(form, 4) == [idle, idle, busy, idle]


def test_who_nobody_is_left_for_belongs_to_nobody_and_without_rules_to_who_takes_it_in(
    sales: Harness,
) -> None:
    rep = sales.as_user()
    assert owners(rep, 1) == [rep.id]
    gone = users(sales, 1, active=False)
    rule(sales, members=gone, sources=["web"])
    assert owners(rep, 1, source="web") == [None]
    assert owners(rep, 1, source="phone") == [rep.id]


def test_a_rule_out_of_use_is_not_tried(sales: Harness, form: Caller) -> None:
    kept = rule(sales, members=users(sales, 1))
    path = f"/v1/assignment-rules/{kept['id']}"
    admin = sales.as_user()
    assert owners(form, 1) != [None]
    changed = admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'})
    assert changed.status_code == 200, changed.json
    assert owners(form, 1) == [None]
    types = [told.type for told in sales.published() if "assignment_rule" in told.type]
    assert types == [
        "crm.sales.assignment_rule.created.v1",
        "crm.sales.assignment_rule.changed.v1",
    ]


def test_a_rule_needs_people_who_are_known(sales: Harness) -> None:
    admin = sales.as_user()
    for values, field in (
        ({"strategy": "round_robin"}, "members"),
        ({"strategy": "region", "members": []}, "region_members"),
        ({"strategy": "load", "members": [new_id()]}, "members"),
        ({"strategy": "load", "members": ["nobody"]}, "members.0"),
        ({"strategy": "magic"}, "strategy"),
    ):
        response = admin.post("/v1/assignment-rules", json={"name": "x", **values})
        assert problem_fields(response) == [field], values
    (member,) = users(sales, 1)
    bounds = {"name": "x", "strategy": "load", "members": [member], "score_from": 9, "score_to": 8}
    assert problem_fields(admin.post("/v1/assignment-rules", json=bounds)) == ["score_to"]


def test_imported_leads_without_an_owner_go_by_the_rules(sales: Harness) -> None:
    first, second = users(sales, 2)
    rule(sales, members=[first, second], sources=["fair"])
    admin = sales.as_user()
    mapping = {"key": "external_id", "name": "name", "source": "source", "owner": "owner"}
    job = admin.post(
        "/v1/imports",
        json={
            "resource": "leads",
            "columns": {"key": "external_id", **{n: n for n in ("name", "source", "owner")}},
        },
    ).json
    rows = f"1,甲,fair,\n2,乙,fair,{first}\n3,丙,fair,\n4,丁,web,\n"
    content = ",".join(mapping) + "\n" + rows
    admin.put(f"/v1/imports/{job['id']}/content", data=content.encode())
    runner = ImportRunner("sales", sales.service.database, DEFINITION.importers)
    while runner.step():
        pass
    leads = {lead["external_id"]: lead["owner_id"] for lead in admin.get("/v1/leads").json["items"]}
    assert leads == {"1": first, "2": first, "3": second, "4": admin.id}


def test_twenty_at_once_are_given_out_evenly(sales_on_postgres: Harness) -> None:
    sales = sales_on_postgres
    members = users(sales, 5)
    rule(sales, members=members)
    forms = [sales.as_user({"sales.leads.write": "all"}, kind="client") for _ in range(20)]
    with ThreadPoolExecutor(20) as pool:
        given = pool.map(lambda form: owners(form, 5), forms)
    assert Counter(owner for each in given for owner in each) == dict.fromkeys(members, 20)
