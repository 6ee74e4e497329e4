"""Users, teams, roles and API clients: administered, told of, imported."""

import itertools
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crm_chassis.imports.runner import ImportRunner
from crm_gateway.first_start import first_start
from crm_gateway.roles.models import combined
from crm_gateway.roles.shipped import SHIPPED_ROLES
from crm_gateway.testing_harness import Caller, Running, eventually

IDENTITY = "/api/identity/v1"
PASSWORD = "long enough"
_NUMBERS = itertools.count()


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer.data
    body: dict[str, Any] = answer.json()
    assert body["type"] == f"urn:crm:problem:{code}", body
    return body


def fields_of(answer: Any) -> list[str]:
    return sorted(error["field"] for error in answer.json()["errors"])


def listed(caller: Caller, path: str) -> list[dict[str, Any]]:
    """Every item of a list, page by page."""
    items: list[dict[str, Any]] = []
    cursor = ""
    while True:
        separator = "&" if "?" in path else "?"
        page = caller.get(f"{IDENTITY}/{path}{separator}limit=2{cursor}").json()
        items += page["items"]
        if page["next_cursor"] is None:
            return items
        cursor = f"&cursor={page['next_cursor']}"


def user_with(
    gateway: Running, admin: Caller, grants: dict[str, str], team_id: str | None = None
) -> Caller:
    """A signed-in user who may do just this."""
    number = next(_NUMBERS)
    role = admin.create("roles", name=f"role_{number}", grants=grants)
    user = admin.create(
        "users",
        name=f"User {number}",
        email=f"user{number}@example.com",
        team_id=team_id,
        roles=[role["name"]],
    )
    set_password(admin, user["id"], PASSWORD)
    return gateway.sign_in(user["email"], PASSWORD)


def set_password(admin: Caller, user_id: str, password: str) -> None:
    path = f"{IDENTITY}/users/{user_id}/password"
    answer = admin.call("PUT", path, json={"password": password})
    assert answer.status == 204, answer.data


def run_imports(gateway: Running) -> None:
    importers = gateway.service._definition.importers
    runner = ImportRunner("gateway", gateway.service.database, importers)
    while runner.step():
        pass


def imported(
    gateway: Running, caller: Caller, resource: str, content: str, **mapping: Any
) -> dict[str, Any]:
    """The job's final state after a file went through it."""
    header = content.splitlines()[0].split(",")
    opened = {"resource": resource, "columns": {name: name for name in header}, **mapping}
    job = caller.post(f"{IDENTITY}/imports", opened)
    assert job.status == 201, job.data
    path = f"{IDENTITY}/imports/{job.json()['id']}"
    assert caller.call("PUT", f"{path}/content", body=content.encode()).status == 202
    run_imports(gateway)
    state: dict[str, Any] = caller.get(path).json()
    state["errors"] = caller.get(f"{path}/errors").json()["items"]
    return state


# --- users ------------------------------------------------------------------------------------


def test_a_user_is_added_changed_and_told_of(gateway: Running, admin: Caller) -> None:
    team = admin.create("teams", name="East")
    user = admin.create(
        "users", name="陈静", email="Chen.Jing@Example.com", external_id="E-1", roles=["agent"]
    )
    assert user["email"] == "chen.jing@example.com"
    changes = {"team_id": team["id"], "roles": ["sales_rep", "agent"], "name": "陈静静"}
    answer = admin.patch(f"{IDENTITY}/users/{user['id']}", 1, changes)
    assert answer.status == 200, answer.data
    assert answer.headers["ETag"] == '"2"'
    assert admin.get(f"{IDENTITY}/users/{user['id']}").json() == answer.json()
    (created,) = [
        event
        for event in gateway.published("crm.gateway.user.created.v1")
        if event.subject == user["id"]
    ]
    (changed,) = gateway.published("crm.gateway.user.changed.v1")
    assert (created.sequence, changed.sequence) == (1, 2)
    assert created.actor == admin.get(f"{IDENTITY}/me").json()["id"]
    assert changed.data == {
        "id": user["id"],
        "external_id": "E-1",
        "name": "陈静静",
        "email": "chen.jing@example.com",
        "team_id": team["id"],
        "active": True,
        "roles": ["agent", "sales_rep"],
    }


def test_a_change_that_changes_nothing_is_not_told(gateway: Running, admin: Caller) -> None:
    user = admin.create("users", name="Bo", roles=["agent"])
    answer = admin.patch(f"{IDENTITY}/users/{user['id']}", 1, {"name": "Bo", "roles": ["agent"]})
    assert answer.json()["version"] == 1
    assert gateway.published("crm.gateway.user.changed.v1") == []


def test_a_change_of_roles_alone_is_a_new_version(admin: Caller) -> None:
    user = admin.create("users", name="Bo", roles=["agent"])
    answer = admin.patch(f"{IDENTITY}/users/{user['id']}", 1, {"roles": []})
    assert (answer.json()["version"], answer.json()["roles"]) == (2, [])


def test_what_is_wrong_with_a_user_is_named(admin: Caller) -> None:
    users = f"{IDENTITY}/users"
    answer = admin.post(users, {"name": "", "email": "no", "team_id": "7", "secret": 1})
    assert answer.status == 422
    assert fields_of(answer) == ["email", "name", "secret", "team_id"]
    nowhere = "0192f0c0-0000-7000-8000-000000000000"
    assert fields_of(admin.post(users, {"name": "A", "team_id": nowhere})) == ["team_id"]
    assert fields_of(admin.post(users, {"name": "A", "roles": ["nil"]})) == ["roles"]
    assert admin.get(f"{users}/{nowhere}").status == 404
    assert admin.get(f"{users}/7").status == 404


def test_an_email_address_belongs_to_one_user(admin: Caller) -> None:
    admin.create("users", name="A", email="a@example.com")
    second = admin.create("users", name="B", email="b@example.com")
    answer = admin.post(f"{IDENTITY}/users", {"name": "C", "email": "A@EXAMPLE.com"})
    problem(answer, 409, "conflict")
    answer = admin.patch(f"{IDENTITY}/users/{second['id']}", 1, {"email": "a@example.com"})
    problem(answer, 409, "conflict")


def test_a_change_needs_the_version_that_was_seen(admin: Caller) -> None:
    user = admin.create("users", name="A")
    path = f"{IDENTITY}/users/{user['id']}"
    assert admin.call("PATCH", path, json={"name": "B"}).status == 428
    assert admin.patch(path, 1, {"name": "B"}).status == 200
    problem(admin.patch(path, 1, {"name": "C"}), 412, "changed-meanwhile")


def test_a_post_sent_twice_adds_one_user(admin: Caller) -> None:
    headers = {"Idempotency-Key": "new-user-1"}
    first = admin.post(f"{IDENTITY}/users", {"name": "A"}, headers=headers)
    second = admin.post(f"{IDENTITY}/users", {"name": "A"}, headers=headers)
    assert first.json()["id"] == second.json()["id"]


def test_users_are_listed_searched_and_paged(admin: Caller) -> None:
    team = admin.create("teams", name="T")
    for name in ("Ann", "Ben", "Cleo", "Dan"):
        admin.create("users", name=name, email=f"{name}@example.com", team_id=team["id"])
    names = [user["name"] for user in listed(admin, f"users?team_id={team['id']}&sort=-name")]
    assert names == ["Dan", "Cleo", "Ben", "Ann"]
    assert [user["name"] for user in listed(admin, "users?q=cle")] == ["Cleo"]
    assert [user["name"] for user in listed(admin, "users?email=ben@example.com")] == ["Ben"]
    answer = admin.get(f"{IDENTITY}/users?colour=red")
    assert fields_of(answer) == ["colour"]


def test_no_answer_has_a_password_in_any_form(gateway: Running, admin: Caller) -> None:
    user = admin.create("users", name="A", email="a@example.com")
    set_password(admin, user["id"], PASSWORD)
    answers = [
        admin.get(f"{IDENTITY}/users/{user['id']}"),
        admin.get(f"{IDENTITY}/users"),
        admin.get(f"{IDENTITY}/exports/users"),
    ]
    assert all("password" not in answer.data.decode() for answer in answers)
    events = gateway.published("crm.gateway.user.created.v1")
    assert all("password" not in event.encode().decode() for event in events)


def test_a_new_password_ends_the_sessions_and_opens_the_door(
    gateway: Running, admin: Caller
) -> None:
    user = admin.create("users", name="A", email="a@example.com")
    set_password(admin, user["id"], "the first one")
    session = gateway.sign_in("a@example.com", "the first one")
    set_password(admin, user["id"], "the second one")
    eventually(lambda: session.get(f"{IDENTITY}/me").status == 401)
    assert gateway.sign_in("a@example.com", "the second one")


def test_short_passwords_are_refused(admin: Caller) -> None:
    user = admin.create("users", name="A", email="a@example.com")
    path = f"{IDENTITY}/users/{user['id']}/password"
    assert fields_of(admin.call("PUT", path, json={"password": "short"})) == ["password"]


def test_everybody_may_know_and_change_their_own(gateway: Running, admin: Caller) -> None:
    me = user_with(gateway, admin, {})
    told = me.get(f"{IDENTITY}/me").json()
    assert told["grants"] == {}
    assert told["kind"] == "user"
    path = f"{IDENTITY}/me/password"
    new = {"current_password": "not mine", "password": "another long one"}
    assert fields_of(me.call("PUT", path, json=new)) == ["current_password"]
    new["current_password"] = PASSWORD
    assert me.call("PUT", path, json=new).status == 204
    assert gateway.sign_in(told["email"], "another long one")


def test_guessing_the_current_password_is_throttled(gateway: Running, admin: Caller) -> None:
    me = user_with(gateway, admin, {})
    guess = {"current_password": "a guess", "password": "another long one"}
    statuses = [me.call("PUT", f"{IDENTITY}/me/password", json=guess).status for _ in range(6)]
    assert statuses == [422] * 5 + [429]


# --- who may ----------------------------------------------------------------------------------


def test_reading_reaches_as_far_as_the_scope(gateway: Running, admin: Caller) -> None:
    north = admin.create("teams", name="North")
    city = admin.create("teams", name="City", parent_id=north["id"])
    south = admin.create("teams", name="South")
    for team in (north, city, south):
        admin.create("users", name=f"In {team['name']}", team_id=team["id"])

    def seen(scope: str) -> set[str]:
        caller = user_with(gateway, admin, {"identity.users.read": scope}, north["id"])
        found = listed(caller, "users?q=In ")
        csv = caller.get(f"{IDENTITY}/exports/users?q=In%20").data.decode()
        assert {user["name"] for user in found} == {
            line.split(",")[1] for line in csv.splitlines()[1:]
        }
        return {user["name"] for user in found}

    assert seen("own") == set()
    assert seen("team") == {"In North"}
    assert seen("subtree") == {"In North", "In City"}
    assert seen("all") == {"In North", "In City", "In South"}


def test_another_teams_user_is_not_there(gateway: Running, admin: Caller) -> None:
    other = admin.create("users", name="Other")
    caller = user_with(gateway, admin, {"identity.users.read": "own"})
    assert caller.get(f"{IDENTITY}/users/{other['id']}").status == 404


@pytest.mark.parametrize("resource", ["users", "teams", "roles", "clients"])
def test_without_the_permission_nothing_is_read_or_written(
    gateway: Running, admin: Caller, resource: str
) -> None:
    nobody = user_with(gateway, admin, {"sales.*": "all"})
    problem(nobody.get(f"{IDENTITY}/{resource}"), 403, "forbidden")
    values = {"name": "new_one", "grants": {}} if resource == "roles" else {"name": "new_one"}
    problem(nobody.post(f"{IDENTITY}/{resource}", values), 403, "forbidden")
    reader = user_with(gateway, admin, {f"identity.{resource}.*": "team"})
    assert reader.get(f"{IDENTITY}/{resource}").status == 200
    problem(reader.post(f"{IDENTITY}/{resource}", values), 403, "forbidden")


def test_nobody_hands_out_more_than_they_have(gateway: Running, admin: Caller) -> None:
    clerk = user_with(
        gateway,
        admin,
        {"identity.*": "all", "sales.leads.read": "team", "sales.products.*": "all"},
    )
    roles, users, clients = (f"{IDENTITY}/{name}" for name in ("roles", "users", "clients"))
    for grants in ({"*": "all"}, {"sales.leads.read": "all"}, {"sales.*": "own"}):
        answer = clerk.post(roles, {"name": "more", "grants": grants})
        problem(answer, 403, "beyond-own-rights")
        answer = clerk.post(clients, {"name": "more", "own_grants": grants})
        problem(answer, 403, "beyond-own-rights")
    less = {"sales.leads.read": "own", "sales.products.write": "team", "identity.teams.*": "all"}
    assert clerk.post(roles, {"name": "less", "grants": less}).status == 201
    assert clerk.post(users, {"name": "A", "roles": ["less"]}).status == 201
    problem(clerk.post(users, {"name": "A", "roles": ["admin"]}), 403, "beyond-own-rights")


def test_nobody_takes_over_an_account_with_more_rights(gateway: Running, admin: Caller) -> None:
    clerk = user_with(gateway, admin, {"identity.*": "all"})
    root = admin.get(f"{IDENTITY}/me").json()["id"]
    path = f"{IDENTITY}/users/{root}"
    answer = clerk.call("PUT", f"{path}/password", json={"password": "mine all mine"})
    problem(answer, 403, "beyond-own-rights")
    problem(clerk.patch(path, 1, {"email": "mine@example.com"}), 403, "beyond-own-rights")
    problem(clerk.patch(path, 1, {"active": False}), 403, "beyond-own-rights")
    (role,) = listed(admin, "roles?name=agent")
    answer = clerk.patch(f"{IDENTITY}/roles/{role['id']}", 1, {"grants": {}})
    problem(answer, 403, "beyond-own-rights")
    client = admin.create("clients", name="ERP", roles=["connector"])
    answer = clerk.post(f"{IDENTITY}/clients/{client['id']}/secret", {})
    problem(answer, 403, "beyond-own-rights")


def test_a_changed_role_holds_within_seconds(gateway: Running, admin: Caller) -> None:
    role = admin.create("roles", name="viewer", grants={"identity.teams.read": "all"})
    user = admin.create("users", name="V", email="v@example.com", roles=["viewer"])
    set_password(admin, user["id"], PASSWORD)
    viewer = gateway.sign_in("v@example.com", PASSWORD)
    assert viewer.get(f"{IDENTITY}/teams").status == 200
    assert admin.patch(f"{IDENTITY}/roles/{role['id']}", 1, {"grants": {}}).status == 200
    eventually(lambda: viewer.get(f"{IDENTITY}/teams").status == 403)


# --- teams ------------------------------------------------------------------------------------


def test_a_team_is_added_below_the_root_moved_and_told_of(gateway: Running, admin: Caller) -> None:
    (root,) = [team for team in listed(admin, "teams") if team["parent_id"] is None]
    north = admin.create("teams", name="North", external_id="N")
    assert north["parent_id"] == root["id"]
    city = admin.create("teams", name="City")
    answer = admin.patch(f"{IDENTITY}/teams/{city['id']}", 1, {"parent_id": north["id"]})
    assert answer.json()["parent_id"] == north["id"]
    (changed,) = gateway.published("crm.gateway.team.changed.v1")
    assert changed.data == {
        "id": city["id"],
        "external_id": None,
        "name": "City",
        "parent_id": north["id"],
    }
    assert [team["id"] for team in listed(admin, f"teams?parent_id={north['id']}")] == [city["id"]]


def test_a_team_cannot_stand_below_itself(admin: Caller) -> None:
    north = admin.create("teams", name="North")
    city = admin.create("teams", name="City", parent_id=north["id"])
    street = admin.create("teams", name="Street", parent_id=city["id"])
    for below in (north, city, street):
        answer = admin.patch(f"{IDENTITY}/teams/{north['id']}", 1, {"parent_id": below["id"]})
        problem(answer, 409, "conflict")
    (root,) = [team for team in listed(admin, "teams") if team["parent_id"] is None]
    answer = admin.patch(f"{IDENTITY}/teams/{root['id']}", 1, {"parent_id": north["id"]})
    problem(answer, 409, "conflict")


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(moves=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8))
def test_no_moves_make_a_circle(admin: Caller, moves: list[tuple[int, int]]) -> None:
    teams = [admin.create("teams", name=f"T{number}") for number in range(5)]
    for moved, above in moves:
        path = f"{IDENTITY}/teams/{teams[moved]['id']}"
        version = admin.get(path).json()["version"]
        admin.patch(path, version, {"parent_id": teams[above]["id"]})
    parents = {team["id"]: team["parent_id"] for team in listed(admin, "teams")}
    for team in teams:
        above, steps = team["id"], 0
        while above is not None:
            above, steps = parents[above], steps + 1
            assert steps <= len(parents)


# --- roles and clients ------------------------------------------------------------------------


def test_a_role_in_use_is_not_deleted(admin: Caller) -> None:
    role = admin.create("roles", name="temp", grants={"sales.*": "own"})
    user = admin.create("users", name="A", roles=["temp"])
    path, headers = f"{IDENTITY}/roles/{role['id']}", {"If-Match": '"1"'}
    problem(admin.call("DELETE", path, headers=headers), 409, "conflict")
    assert admin.patch(f"{IDENTITY}/users/{user['id']}", 1, {"roles": []}).status == 200
    assert admin.call("DELETE", path).status == 428
    assert admin.call("DELETE", path, headers=headers).status == 204
    assert admin.get(path).status == 404


@pytest.mark.parametrize(
    "grants",
    [
        {"sales": "everywhere"},
        {"Sales.Leads": "all"},
        {"sales.*.read": "all"},
        {"sales leads": "all"},
        {"": "all"},
    ],
)
def test_grants_that_mean_nothing_are_refused(admin: Caller, grants: dict[str, str]) -> None:
    answer = admin.post(f"{IDENTITY}/roles", {"name": "odd", "grants": grants})
    assert answer.status == 422
    assert all(field.startswith("grants") for field in fields_of(answer))


def test_two_roles_cannot_have_one_name(admin: Caller) -> None:
    answer = admin.post(f"{IDENTITY}/roles", {"name": "agent", "grants": {}})
    problem(answer, 409, "conflict")


_SCOPES = st.sampled_from(["own", "team", "subtree", "all"])
_GRANTS = st.dictionaries(st.sampled_from(["a.b", "a.*", "*"]), _SCOPES)


@given(st.lists(_GRANTS, max_size=4))
def test_combined_grants_are_the_widest_in_any_order(several: list[Any]) -> None:
    order = ["own", "team", "subtree", "all"]
    result = combined(several)
    assert result == combined(list(reversed(several)))
    for grants in several:
        for permission, scope in grants.items():
            assert order.index(result[permission]) >= order.index(scope)
    assert set(result) == {permission for grants in several for permission in grants}


def test_a_client_is_changed_and_shut_out(gateway: Running, admin: Caller) -> None:
    made = admin.create("clients", name="Shop", roles=["connector"])
    path = f"{IDENTITY}/clients/{made['id']}"
    secret = admin.post(f"{path}/secret", {}).json()
    assert set(secret) == {"client_id", "client_secret"}
    assert secret["client_secret"] not in admin.get(path).data.decode()
    version = admin.get(path).json()["version"]
    answer = admin.patch(path, version, {"roles": [], "own_grants": {"sales.leads.read": "all"}})
    assert answer.status == 200, answer.data
    tokens = gateway.token(grant_type="client_credentials", **secret).json()
    shop = Caller(gateway, tokens)
    assert shop.get(f"{IDENTITY}/me").json()["grants"] == {"sales.leads.read": "all"}
    answer = admin.patch(path, answer.json()["version"], {"active": False})
    assert answer.json()["active"] is False
    eventually(lambda: shop.get(f"{IDENTITY}/me").status == 401)
    assert gateway.token(grant_type="client_credentials", **secret).status == 401


# --- import and export ------------------------------------------------------------------------


def test_teams_are_imported_whatever_their_order_and_once(gateway: Running, admin: Caller) -> None:
    content = "external_id,name,parent\ns,Street,City\nc,City,n\nn,North,\nx,Lost,Nowhere\n"
    first = imported(gateway, admin, "teams", content)
    assert (first["created"], first["failed"]) == (3, 1)
    (error,) = first["errors"]
    assert (error["row"], error["column"], error["value"]) == (5, "parent", "Nowhere")
    by_name = {team["name"]: team for team in listed(admin, "teams")}
    assert by_name["Street"]["parent_id"] == by_name["City"]["id"]
    assert by_name["City"]["parent_id"] == by_name["North"]["id"]
    again = imported(gateway, admin, "teams", content)
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 3)
    moved = imported(gateway, admin, "teams", "external_id,name,parent\ns,Street,n\nn,North,s\n")
    assert (moved["changed"], moved["failed"]) == (1, 1)


def test_users_are_imported_and_once(gateway: Running, admin: Caller) -> None:
    admin.create("teams", name="North", external_id="N")
    content = (
        "external_id,name,email,team,role\n"
        "1,Anna Snelling,Anna@Example.com,North,sales_rep\n"
        "2,Cecily Lampkin,,N,sales_manager\n"
        "3,No Team,,Nowhere,sales_rep\n"
        "4,No Role,,North,wizard\n"
        "5,Bad Mail,nonsense,North,sales_rep\n"
        "6,Same Mail,anna@example.com,North,sales_rep\n"
    )
    first = imported(gateway, admin, "users", content)
    assert (first["created"], first["failed"]) == (2, 4)
    assert {error["row"] for error in first["errors"]} == {4, 5, 6, 7}
    (anna,) = listed(admin, "users?external_id=1")
    assert (anna["email"], anna["roles"]) == ("anna@example.com", ["sales_rep"])
    again = imported(gateway, admin, "users", content)
    assert (again["created"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert len(gateway.published("crm.gateway.user.created.v1")) == 3
    dry = imported(gateway, admin, "users", "external_id,name\n9,Dry\n", dry_run=True)
    assert dry["created"] == 1
    assert listed(admin, "users?external_id=9") == []


def test_an_import_hands_out_no_more_than_its_principal_has(
    gateway: Running, admin: Caller
) -> None:
    clerk = user_with(gateway, admin, {"identity.*": "all"})
    job = imported(gateway, clerk, "users", "external_id,name,role\n1,Me,admin\n")
    assert (job["created"], job["failed"]) == (0, 1)
    narrow = user_with(gateway, admin, {"identity.users.write": "team"})
    opened = {"resource": "users", "columns": {"name": "name"}, "key": "name"}
    problem(narrow.post(f"{IDENTITY}/imports", opened), 403, "forbidden")


def test_what_was_exported_can_be_imported(gateway: Running, admin: Caller) -> None:
    admin.create("teams", name="North", external_id="N")
    csv = admin.get(f"{IDENTITY}/exports/teams").data.decode()
    assert "N,North" in csv


# --- first start ------------------------------------------------------------------------------


def test_the_first_start_happens_once(gateway: Running) -> None:
    assert first_start(gateway.service.database, gateway.gateway.settings) is None
    assert len(gateway.published("crm.gateway.team.created.v1")) == 1
    assert len(gateway.published("crm.gateway.user.created.v1")) == 1


def test_the_shipped_roles_are_there(admin: Caller) -> None:
    names = {role["name"] for role in listed(admin, "roles")}
    assert names == {role.name for role in SHIPPED_ROLES}
    assert admin.get(f"{IDENTITY}/me").json()["grants"] == {"*": "all"}


def test_those_who_may_not_see_phones_have_no_right_to_them() -> None:
    (analyst,) = [role for role in SHIPPED_ROLES if role.name == "analyst"]
    assert not [permission for permission in analyst.grants if permission.endswith((".phone", "*"))]
