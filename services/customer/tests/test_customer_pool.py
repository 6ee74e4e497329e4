"""The pool: claiming, giving, giving back, and what goes back by itself."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields
from crm_customer.accounts.models import Account
from crm_customer.app import create_app
from crm_customer.pool import commands

CHANGED = "crm.customer.account.changed.v1"
WARNED = "crm.customer.pool.return_warned.v1"
REP = {
    "customer.accounts.*": "own",
    "customer.contacts.*": "own",
    "customer.pool.read": "team",
    "customer.pool.claim": "own",
    "customer.pool.release": "own",
}
EAST, WEST = new_id(), new_id()


on_both_databases = pytest.mark.parametrize("service", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """The customer service, on SQLite unless the test asks for another database."""
    url = None
    if getattr(request, "param", "sqlite") == "postgresql":
        url = request.getfixturevalue("postgres").create_database(f"pool_{new_id()[-12:]}")
    with closing(Harness(create_app, "customer", tmp_path, url)) as harness:
        yield harness


@pytest.fixture
def admin(service: Harness) -> Caller:
    return service.as_user()


@pytest.fixture
def rep(service: Harness) -> Caller:
    return service.as_user(REP, team=EAST)


def set_account(service: Harness, key: str, **values: Any) -> None:
    table = Account.__table__
    with service.service.database.transaction() as session:
        session.execute(update(table).where(table.c.id == key).values(values))


def add(service: Harness, name: str, **values: Any) -> str:
    """An account of nobody, unless the values say otherwise."""
    body = {"name": name, "owner_id": None}
    key = service.as_user().post("/v1/accounts", json=body).json["id"]
    set_account(service, key, **values)
    return key


def limits(admin: Caller, **values: Any) -> None:
    path = "/v1/settings/pool"
    etag = admin.get(path).headers["ETag"]
    assert admin.patch(path, json=values, headers={"If-Match": etag}).status_code == 200


def claim(caller: Caller, key: str) -> Any:
    return caller.post(f"/v1/pool/{key}/claim")


def pool(caller: Caller, **query: Any) -> list[str]:
    answer = caller.get("/v1/pool", query_string=query)
    assert answer.status_code == 200, answer.json
    return sorted(each["name"] for each in answer.json["items"])


@on_both_databases
def test_the_pool_is_what_nobody_has(service: Harness, rep: Caller) -> None:
    add(service, "everybody's", industry="IT")
    add(service, "the team's", team_id=EAST)
    add(service, "another team's", team_id=WEST)
    add(service, "somebody's", owner_id=new_id(), team_id=EAST)
    add(service, "merged", merged_into=new_id())
    assert pool(rep) == ["everybody's", "the team's"]
    assert pool(rep, industry="IT") == ["everybody's"]
    assert pool(rep, sort="last_contacted_at") == ["everybody's", "the team's"]
    assert pool(service.as_user()) == ["another team's", "everybody's", "the team's"]
    assert service.as_user({}).get("/v1/pool").status_code == 403


def test_the_pool_does_not_say_how_to_reach_a_customer(service: Harness, admin: Caller) -> None:
    body = {"name": "A", "owner_id": None, "phones": ["+8613800138000"], "emails": ["a@b.cn"]}
    admin.post("/v1/accounts", json=body)
    page = service.as_user(REP, team=EAST).get("/v1/pool").get_data(as_text=True)
    assert "8000" not in page
    assert "a@b.cn" not in page


@on_both_databases
def test_who_claims_owns_and_it_is_told(service: Harness, admin: Caller, rep: Caller) -> None:
    key = add(service, "Free")
    mine = admin.post("/v1/contacts", json={"name": "李雷", "account_id": key, "owner_id": None})
    kept = admin.post("/v1/contacts", json={"name": "韩梅梅", "account_id": key})
    assert rep.get(f"/v1/accounts/{key}").status_code == 404
    claimed = claim(rep, key)
    assert claimed.status_code == 200, claimed.json
    assert (claimed.json["owner_id"], claimed.json["team_id"]) == (rep.id, EAST)
    assert rep.get(f"/v1/accounts/{key}").status_code == 200
    (told,) = service.published(CHANGED)
    assert told.data["owner_id"] == rep.id
    assert told.data["change"] == {
        "from_owner_id": None,
        "from_team_id": None,
        "to_owner_id": rep.id,
        "to_team_id": EAST,
        "reason": "claimed",
    }
    assert told.actor == rep.id
    assert rep.get(f"/v1/contacts/{mine.json['id']}").json["owner_id"] == rep.id
    assert admin.get(f"/v1/contacts/{kept.json['id']}").json["owner_id"] == admin.id
    assert claim(service.as_user(REP, team=WEST), key).status_code == 409
    assert claim(rep, new_id()).status_code == 404
    assert claim(rep, add(service, "hidden", team_id=WEST)).status_code == 404
    assert claim(rep, add(service, "never pooled", owner_id=new_id())).status_code == 404


def test_a_program_claims_nothing(service: Harness) -> None:
    key = add(service, "Free")
    assert claim(service.as_user(REP, kind="client"), key).status_code == 403


@on_both_databases
def test_of_many_at_once_one_claims(service: Harness) -> None:
    key = add(service, "Free")
    statuses = at_once([(service.as_user(REP, team=EAST), key) for _ in range(6)])
    assert sorted(statuses) == [200] + [409] * 5
    assert len(service.published(CHANGED)) == 1


@on_both_databases
def test_claims_at_once_do_not_pass_the_limit(service: Harness, admin: Caller, rep: Caller) -> None:
    limits(admin, most_claimed=2)
    keys = [add(service, f"Free {number}") for number in range(6)]
    statuses = at_once([(rep, key) for key in keys])
    assert sorted(statuses) == [200, 200] + [409] * 4


def at_once(claims: list[tuple[Caller, str]]) -> list[int]:
    barrier = threading.Barrier(len(claims))
    statuses: list[int] = []

    def one(caller: Caller, key: str) -> None:
        barrier.wait()
        statuses.append(claim(caller, key).status_code)

    threads = [threading.Thread(target=one, args=each) for each in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(statuses) == len(claims)
    return statuses


@on_both_databases
def test_the_limits_to_claiming(service: Harness, admin: Caller, rep: Caller) -> None:
    limits(admin, most_claimed=2, most_claims_a_day=3, reclaim_after_days=7)
    keys = [add(service, f"Free {number}") for number in range(5)]
    assert [claim(rep, key).status_code for key in keys[:3]] == [200, 200, 409]
    back = rep.get(f"/v1/accounts/{keys[0]}")
    release = {"json": {"reason": "no need"}, "headers": {"If-Match": back.headers["ETag"]}}
    assert rep.post(f"/v1/pool/{keys[0]}/release", **release).status_code == 200
    assert claim(rep, keys[0]).json["type"] == "urn:crm:problem:claim-limit"
    assert claim(service.as_user(REP, team=EAST), keys[0]).status_code == 200
    assert claim(rep, keys[2]).status_code == 200
    limits(admin, most_claimed=None)
    assert claim(rep, keys[3]).status_code == 409, "three claims on one day"
    limits(admin, most_claims_a_day=None)
    assert claim(rep, keys[3]).status_code == 200


def test_a_claimed_customer_given_away_is_not_held(
    service: Harness, admin: Caller, rep: Caller
) -> None:
    limits(admin, most_claimed=1)
    keys = [add(service, f"Free {number}") for number in range(2)]
    etag = claim(rep, keys[0]).headers["ETag"]
    given = {"json": {"owner_id": admin.id}, "headers": {"If-Match": etag}}
    assert admin.patch(f"/v1/accounts/{keys[0]}", **given).status_code == 200
    assert claim(rep, keys[1]).status_code == 200


def test_a_customer_is_released_with_a_reason(service: Harness, rep: Caller) -> None:
    key = add(service, "Free")
    etag = claim(rep, key).headers["ETag"]
    path, seen = f"/v1/pool/{key}/release", {"If-Match": etag}
    stranger = service.as_user(REP, team=EAST)
    assert stranger.post(path, json={"reason": "x"}, headers=seen).status_code == 404
    assert problem_fields(rep.post(path, json={}, headers=seen)) == ["reason"]
    assert rep.post(path, json={"reason": "x"}, headers={"If-Match": '"99"'}).status_code == 412
    assert rep.post(path, json={"reason": "moved abroad"}, headers=seen).status_code == 200
    assert pool(rep) == ["Free"]
    log = service.as_user().get(f"/v1/accounts/{key}/ownership").json["items"]
    assert [(each["reason"], each["note"]) for each in log] == [
        ("released", "moved abroad"),
        ("claimed", None),
    ]
    assert log[0]["from_owner_id"] == log[1]["to_owner_id"] == rep.id
    assert log[0]["changed_by"] == rep.id
    assert stranger.get(f"/v1/accounts/{key}/ownership").status_code == 404


def test_only_the_pool_s_operations_move_a_customer_into_it_or_out(
    service: Harness, admin: Caller
) -> None:
    key = add(service, "Free")
    path, seen = f"/v1/accounts/{key}", {"If-Match": '"1"'}
    taken = admin.patch(path, json={"owner_id": admin.id}, headers=seen)
    assert (taken.status_code, f"/v1/pool/{key}/claim" in taken.json["detail"]) == (409, True)
    same = {"owner_id": None, "industry": "IT"}
    assert admin.patch(path, json=same, headers=seen).status_code == 200
    assert admin.post(f"/v1/pool/{key}/assign", json={"owner_id": admin.id}).status_code == 200
    etag = admin.get(path).headers["ETag"]
    given_up = admin.patch(path, json={"owner_id": None}, headers={"If-Match": etag})
    assert given_up.status_code == 409
    assert f"/v1/pool/{key}/release" in given_up.json["detail"]
    assert admin.get(path).json["owner_id"] == admin.id


def test_who_may_not_release_adds_no_customer_of_nobody(service: Harness, rep: Caller) -> None:
    writer = service.as_user({"customer.accounts.*": "all"})
    refused = writer.post("/v1/accounts", json={"name": "Free", "owner_id": None})
    assert refused.status_code == 403
    assert "customer.pool.release" in refused.json["detail"]
    assert writer.post("/v1/accounts", json={"name": "Mine"}).json["owner_id"] == writer.id
    assert rep.post("/v1/accounts", json={"name": "Free", "owner_id": None}).status_code == 201
    program = service.as_user({"customer.accounts.*": "all"}, kind="client")
    assert program.post("/v1/accounts", json={"name": "From the web"}).status_code == 201
    assert pool(rep) == ["Free", "From the web"]


def test_a_merged_customer_is_not_released(service: Harness, admin: Caller) -> None:
    key = add(service, "Merged", owner_id=admin.id, merged_into=new_id())
    body = {"json": {"reason": "moved abroad"}, "headers": {"If-Match": '"1"'}}
    assert admin.post(f"/v1/pool/{key}/release", **body).status_code == 409
    assert admin.get(f"/v1/accounts/{key}").json["owner_id"] == admin.id


def test_a_manager_assigns(service: Harness, admin: Caller) -> None:
    user = {"name": "Rep", "team_id": EAST, "active": True}
    member, outsider = new_id(), new_id()
    service.deliver(
        event("crm.gateway.user.created.v1", user | {"id": member}),
        event("crm.gateway.user.created.v1", user | {"id": outsider, "team_id": WEST}),
    )
    manager = service.as_user({"customer.pool.*": "team", "customer.accounts.*": "team"}, team=EAST)
    key = add(service, "Free")
    path = f"/v1/pool/{key}/assign"
    assert manager.post(path, json={"owner_id": outsider}).status_code == 403
    assert problem_fields(manager.post(path, json={"owner_id": new_id()})) == ["owner_id"]
    assert manager.post(path, json={"owner_id": member}).status_code == 200
    assert manager.post(path, json={"owner_id": member}).status_code == 409
    log = admin.get(f"/v1/accounts/{key}/ownership").json["items"]
    assert [(each["reason"], each["to_owner_id"]) for each in log] == [("assigned", member)]


def test_every_change_of_owner_is_logged(service: Harness, admin: Caller) -> None:
    made = admin.post("/v1/accounts", json={"name": "A"})
    path, other = f"/v1/accounts/{made.json['id']}", new_id()
    user = {"id": other, "name": "Rep", "team_id": EAST, "active": True}
    service.deliver(event("crm.gateway.user.created.v1", user))
    admin.patch(path, json={"owner_id": other}, headers={"If-Match": '"1"'})
    admin.patch(path, json={"name": "B"}, headers={"If-Match": '"2"'})
    log = admin.get(f"{path}/ownership").json["items"]
    assert [(each["from_owner_id"], each["to_owner_id"]) for each in log] == [(admin.id, other)]
    changes = [each.data.get("change") for each in service.published(CHANGED)]
    assert [change and change["reason"] for change in changes] == ["changed", None]


NOW = datetime.now(UTC)


def rule(admin: Caller, **values: Any) -> dict[str, Any]:
    made = admin.post("/v1/pool-rules", json={"days": 90, **values})
    assert made.status_code == 201, made.json
    return made.json


def run(service: Harness, days: float = 0) -> None:
    """Let the recurring work be done as it would be so many days from now."""
    while True:
        with service.service.database.transaction() as session:
            if not commands.keep_moving(session, NOW + timedelta(days=days)):
                return


def neglected(service: Harness, name: str, days: float, **values: Any) -> str:
    """An account of somebody with which nobody was in touch for so many days."""
    since = NOW - timedelta(days=days)
    owned = {"owner_id": new_id(), "team_id": EAST, "created_at": since}
    return add(service, name, **owned | values)


def owner(admin: Caller, key: str) -> str | None:
    return admin.get(f"/v1/accounts/{key}").json["owner_id"]


@on_both_databases
def test_the_neglected_are_warned_of_and_go_back(service: Harness, admin: Caller) -> None:
    rule(admin, days=90, warn_days=7)
    old = neglected(service, "old", 85)
    neglected(service, "fresh", 20)
    run(service)
    (warning,) = service.published(WARNED)
    assert warning.subject == old
    assert warning.data["owner_id"] == owner(admin, old)
    due = datetime.fromisoformat(warning.data["return_due_at"])
    assert due == NOW - timedelta(days=85) + timedelta(days=90) or due > NOW + timedelta(days=6.9)
    listed = admin.get("/v1/pool/warnings").json["items"]
    assert [each["name"] for each in listed] == ["old"]
    run(service, days=6.5)
    assert owner(admin, old) is not None
    run(service, days=7.5)
    assert owner(admin, old) is None
    assert len(service.published(WARNED)) == 1, "it is warned of once"
    (change,) = [each.data["change"] for each in service.published(CHANGED)]
    assert (change["reason"], change["to_owner_id"], change["to_team_id"]) == (
        "returned",
        None,
        EAST,
    )
    assert service.published(CHANGED)[0].actor == "customer"
    assert admin.get("/v1/pool/warnings").json["items"] == []
    assert pool(service.as_user(REP, team=EAST)) == ["old"]


def test_the_scheduler_does_it_by_the_clock_set_ahead(service: Harness, admin: Caller) -> None:
    rule(admin, days=90, warn_days=7)
    key = neglected(service, "old", 100)
    scheduler = service.service.scheduler
    scheduler.start_recurring()
    for ahead in (0, 8):
        scheduler._ahead = timedelta(days=ahead)
        for _ in range(20):
            if not scheduler.step():
                break
    assert owner(admin, key) is None


def test_without_a_rule_nobody_goes_back(service: Harness, admin: Caller) -> None:
    key = neglected(service, "old", 1000)
    run(service, days=1000)
    assert owner(admin, key) is not None
    inactive = rule(admin, days=90)
    path = f"/v1/pool-rules/{inactive['id']}"
    assert admin.patch(path, json={"active": False}, headers={"If-Match": '"1"'}).status_code == 200
    run(service, days=1000)
    assert owner(admin, key) is not None


def test_a_rule_without_warning_returns_at_once(service: Harness, admin: Caller) -> None:
    rule(admin, days=90)
    key = neglected(service, "old", 91)
    run(service)
    assert owner(admin, key) is None
    assert service.published(WARNED) == []


def test_who_gets_in_touch_keeps_the_customer(service: Harness, admin: Caller) -> None:
    rule(admin, days=90, warn_days=7)
    key = neglected(service, "old", 100)
    run(service)
    body = {"kind": "call", "account_id": key, "details": {"started_at": NOW.isoformat()}}
    assert admin.post("/v1/interactions", json=body).status_code == 201
    assert admin.get("/v1/pool/warnings").json["items"] == []
    run(service, days=50)
    assert owner(admin, key) is not None
    run(service, days=84)
    run(service, days=92)
    assert owner(admin, key) is None


@on_both_databases
def test_who_has_an_open_deal_is_kept(service: Harness, admin: Caller) -> None:
    rule(admin, days=90, warn_days=7)
    before, meanwhile = neglected(service, "before", 100), neglected(service, "meanwhile", 100)

    def deal(account: str, key: str, kind: str, sequence: int) -> None:
        data = {"id": key, "account_id": account, "stage_type": kind}
        event_type = f"crm.sales.opportunity.{'opened' if kind == 'open' else 'stage_changed'}.v1"
        service.deliver(event(event_type, data, sequence=sequence))

    first, second = new_id(), new_id()
    deal(before, first, "open", 1)
    run(service)
    assert [each.subject for each in service.published(WARNED)] == [meanwhile]
    deal(meanwhile, second, "open", 1)
    run(service, days=8)
    assert owner(admin, before) is not None
    assert owner(admin, meanwhile) is not None
    deal(before, first, "lost", 2)
    run(service, days=9)
    run(service, days=17)
    assert owner(admin, before) is None
    assert owner(admin, meanwhile) is not None


def test_a_new_owner_has_the_whole_time(service: Harness, admin: Caller) -> None:
    rule(admin, days=90)
    key = add(service, "old", created_at=NOW - timedelta(days=500))
    rep = service.as_user(REP, team=EAST)
    claim(rep, key)
    run(service, days=89)
    assert owner(admin, key) == rep.id
    run(service, days=91)
    assert owner(admin, key) is None


@on_both_databases
def test_the_rule_that_names_more_goes_first(service: Harness, admin: Caller) -> None:
    rule(admin, days=90)
    rule(admin, days=60, level="B")
    rule(admin, days=180, team_id=EAST)
    rule(admin, days=360, team_id=EAST, level="A")
    cases = {
        "general": ({"team_id": WEST}, 90),
        "by level": ({"team_id": WEST, "level": "B"}, 60),
        "by team": ({"team_id": EAST, "level": "B"}, 180),
        "by both": ({"team_id": EAST, "level": "A"}, 360),
        "no level": ({"team_id": EAST, "level": None}, 180),
        "of no team": ({"team_id": None}, 90),
    }
    keys = {}
    for name, (values, days) in cases.items():
        keys[name, "kept"] = neglected(service, f"{name} kept", days - 1, **values)
        keys[name, "back"] = neglected(service, f"{name} back", days + 1, **values)
    run(service)
    found = {place: owner(admin, key) is None for place, key in keys.items()}
    assert found == {(name, outcome): outcome == "back" for name, outcome in found}


@on_both_databases
def test_batches_are_bounded(
    service: Harness, admin: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commands, "BATCH", 2)
    rule(admin, days=90)
    keys = [neglected(service, f"old {number}", 100 + number) for number in range(5)]
    with service.service.database.transaction() as session:
        assert commands.keep_moving(session, NOW)
    assert sum(owner(admin, key) is None for key in keys) == 2
    run(service)
    assert [owner(admin, key) for key in keys] == [None] * 5


def test_another_rule_warns_anew(service: Harness, admin: Caller) -> None:
    first = rule(admin, days=90, warn_days=7)
    key = neglected(service, "old", 100)
    run(service)
    path = f"/v1/pool-rules/{first['id']}"
    change = {"json": {"days": 365}, "headers": {"If-Match": '"1"'}}
    assert admin.patch(path, **change).status_code == 200
    run(service, days=8)
    assert owner(admin, key) is not None
    assert admin.get("/v1/pool/warnings").json["items"] == []


def test_rules(service: Harness, admin: Caller) -> None:
    made = rule(admin, days=90, warn_days=7, level="A")
    path = f"/v1/pool-rules/{made['id']}"
    assert admin.get(path).json == made
    assert admin.get("/v1/pool-rules").json["items"] == [made]
    assert admin.post("/v1/pool-rules", json={"days": 30, "level": "A"}).status_code == 409
    late = admin.post("/v1/pool-rules", json={"days": 7, "warn_days": 7})
    assert problem_fields(late) == ["warn_days"]
    bad = admin.patch(path, json={"days": 5}, headers={"If-Match": '"1"'})
    assert problem_fields(bad) == ["warn_days"]
    other = rule(admin, days=30)
    same = admin.patch(
        f"/v1/pool-rules/{other['id']}", json={"level": "A"}, headers={"If-Match": '"1"'}
    )
    assert same.status_code == 409
    assert service.as_user(REP).post("/v1/pool-rules", json={"days": 1}).status_code == 403
    assert admin.delete(path).status_code == 428
    assert admin.delete(path, headers={"If-Match": '"1"'}).status_code == 204
    assert admin.get(path).status_code == 404
