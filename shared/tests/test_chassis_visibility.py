"""A permission reaches as far as its scope: own rows, a team's, a tree of teams', all."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from sqlalchemy import select

from crm_chassis.auth import Principal, masked
from crm_chassis.database import new_id
from crm_chassis.directory import find, teams, users
from crm_chassis.events import Event
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

TREE = {
    "company": None,
    "sales": "company",
    "north": "sales",
    "south": "sales",
    "service": "company",
}


class Company:
    """A tree of teams with a user in each, who owns a note named after the team."""

    def __init__(self, notes: Harness) -> None:
        self.notes = notes
        self.team = {name: new_id() for name in TREE}
        self.user = {name: new_id() for name in [*TREE, "loner"]}
        self._sequence = 1
        for name, parent in TREE.items():
            self.place(name, parent)
        for name, user_id in self.user.items():
            self.join(name, self.team.get(name))
            caller = self.member(name, "own")
            assert caller.id == user_id
            answer = caller.post("/v1/notes", json={"title": name, "owner_id": user_id})
            assert answer.status_code == 201, answer.json
        everybody = self.notes.as_user()
        assert everybody.post("/v1/notes", json={"title": "nobody's"}).status_code == 201

    def place(self, name: str, parent: str | None) -> None:
        """Tell of a team's place in the tree."""
        self._sequence += 1
        data = {
            "id": self.team[name],
            "external_id": None,
            "name": name,
            "parent_id": self.team[parent] if parent else None,
        }
        told = event("crm.gateway.team.changed.v1", data, sequence=self._sequence)
        self.notes.deliver(told)

    def join(self, name: str, team_id: str | None) -> None:
        """Tell of a user's team."""
        self._sequence += 1
        data = {"id": self.user[name], "name": name, "team_id": team_id, "active": True}
        self.notes.deliver(event("crm.gateway.user.changed.v1", data, sequence=self._sequence))

    def leave(self, name: str) -> None:
        """Tell that a user does not work here any more."""
        self._sequence += 1
        data = {"id": self.user[name], "name": name, "team_id": None, "active": False}
        self.notes.deliver(event("crm.gateway.user.changed.v1", data, sequence=self._sequence))

    def member(self, name: str, scope: str) -> Caller:
        return self.notes.as_user(
            {"notes.notes.*": scope}, self.team.get(name), user_id=self.user[name]
        )

    def seen(self, caller: Caller) -> set[str]:
        return {item["title"] for item in caller.get("/v1/notes").json["items"]}


@pytest.fixture
def company(notes) -> Company:
    return Company(notes)


EVERYTHING = {*TREE, "loner", "nobody's"}


class TestScopes:
    REACH = (
        ("sales", "own", {"sales"}),
        ("sales", "team", {"sales"}),
        ("sales", "subtree", {"sales", "north", "south"}),
        ("north", "subtree", {"north"}),
        ("company", "subtree", set(TREE)),
        ("north", "all", EVERYTHING),
        ("loner", "own", {"loner"}),
        ("loner", "team", {"loner"}),
        ("loner", "subtree", {"loner"}),
        ("loner", "all", EVERYTHING),
    )

    def test_a_list_and_an_export_show_the_rows_in_scope(self, company):
        for who, scope, titles in self.REACH:
            caller = company.member(who, scope)
            assert company.seen(caller) == titles, (who, scope)
            exported = csv.DictReader(io.StringIO(caller.get("/v1/exports/notes").text))
            assert {row["title"] for row in exported} == titles, (who, scope)

    def test_what_is_out_of_scope_is_not_there(self, company):
        everything = company.notes.as_user().get("/v1/notes").json["items"]
        for who, scope, titles in self.REACH:
            caller = company.member(who, scope)
            for item in everything:
                path = f"/v1/notes/{item['id']}"
                seen = item["title"] in titles
                assert caller.get(path).status_code == (200 if seen else 404), (who, scope)
                changed = caller.patch(path, json={"rank": 1}, headers={"If-Match": '"9"'})
                assert changed.status_code == (412 if seen else 404), (who, scope)

    def test_rows_of_ones_own_stay_ones_own_in_another_team(self, company):
        company.join("north", company.team["service"])
        moved = company.notes.as_user(
            {"notes.notes.*": "team"}, company.team["service"], user_id=company.user["north"]
        )
        assert company.seen(moved) == {"north", "service"}

    def test_a_team_that_moves_takes_its_rows_along(self, company):
        company.place("north", "service")
        assert company.seen(company.member("sales", "subtree")) == {"sales", "south"}
        assert company.seen(company.member("service", "subtree")) == {"service", "north"}

    def test_a_team_above_itself_ends_nobody(self, company):
        company.place("company", "north")
        assert company.seen(company.member("sales", "subtree")) == set(TREE)

    def test_the_widest_of_several_grants_counts(self):
        grants: Any = {"notes.*": "team", "notes.notes.read": "own", "*": "subtree"}
        principal = Principal("a", "A", "user", None, grants=grants)
        assert principal.scope_of("notes.notes.read") == "subtree"
        assert principal.scope_of("sales.leads.read") == "subtree"
        assert Principal("a", "A", "user", None).scope_of("notes.notes.read") is None

    def test_reading_wide_does_not_allow_writing_wide(self, company):
        caller = company.notes.as_user(
            {"notes.notes.read": "all", "notes.notes.write": "own"},
            user_id=company.user["north"],
        )
        south = next(
            item["id"] for item in caller.get("/v1/notes").json["items"] if item["title"] == "south"
        )
        refused = caller.patch(f"/v1/notes/{south}", json={"rank": 1}, headers={"If-Match": '"1"'})
        assert refused.status_code == 404


class TestAssigning:
    def test_within_the_scope_only(self, company):
        for who, scope, to, status in (
            ("north", "own", "north", 201),
            ("north", "own", "south", 403),
            ("north", "team", "south", 403),
            ("sales", "subtree", "south", 201),
            ("sales", "subtree", "service", 403),
            ("sales", "subtree", "loner", 403),
            ("loner", "subtree", "north", 403),
            ("north", "all", "loner", 201),
        ):
            answer = company.member(who, scope).post(
                "/v1/notes", json={"title": "given", "owner_id": company.user[to]}
            )
            assert answer.status_code == status, (who, scope, to)
            if status == 201:
                assert answer.json["owner_id"] == company.user[to]
                assert answer.json["team_id"] == company.team.get(to)

    def test_to_a_teammate(self, company):
        company.join("loner", company.team["north"])
        answer = company.member("north", "team").post(
            "/v1/notes", json={"title": "given", "owner_id": company.user["loner"]}
        )
        assert (answer.status_code, answer.json["team_id"]) == (201, company.team["north"])

    def test_nothing_is_given_to_somebody_who_has_left(self, company):
        company.leave("south")
        answer = company.notes.as_user().post(
            "/v1/notes", json={"title": "given", "owner_id": company.user["south"]}
        )
        assert problem_fields(answer) == ["owner_id"]

    def test_to_somebody_nobody_has_told_of(self, company):
        answer = company.notes.as_user().post(
            "/v1/notes", json={"title": "given", "owner_id": new_id()}
        )
        assert answer.status_code == 422
        assert problem_fields(answer) == ["owner_id"]

    def test_away_from_everybody(self, company):
        caller = company.member("north", "all")
        note = caller.get("/v1/notes?title=north").json["items"][0]
        path = f"/v1/notes/{note['id']}"
        answer = caller.patch(path, json={"owner_id": None}, headers={"If-Match": '"1"'})
        assert (answer.json["owner_id"], answer.json["team_id"]) == (None, None)


class TestDirectory:
    @staticmethod
    def told(kind: str, sequence: int, **data: Any) -> Event:
        return event(f"crm.gateway.{kind}.changed.v1", data, sequence=sequence)

    def test_the_newest_wins_in_any_order_and_however_often(self, notes):
        user_id = new_id()
        events = [
            self.told("user", number, id=user_id, name=f"name {number}") for number in (1, 2, 3)
        ]
        notes.deliver(events[2], events[0])
        notes.deliver(events[1])
        notes.deliver(events[0], events[1], events[2])
        with notes.service.database.reading() as session:
            row = session.execute(select(users.c.name, users.c.sequence)).one()
        assert row == ("name 3", 3)

    def test_a_name_that_several_share_names_nobody(self, notes):
        one, other, third = new_id(), new_id(), new_id()
        for team_id, name, key in (
            (one, "North", "n-1"),
            (other, "North", "n-2"),
            (third, "South", "North Pole"),
        ):
            notes.deliver(self.told("team", 1, id=team_id, name=name, external_id=key))
        with notes.service.database.reading() as session:
            found = find(session, teams, ["North", "n-2", "South", "North Pole", "nowhere"])
        assert {name: found.get(name) for name in ("n-2", "South", "North Pole")} == {
            "n-2": other,
            "South": third,
            "North Pole": third,
        }
        assert found.keys().isdisjoint({"North", "nowhere"})

    def test_the_longest_key_that_the_contract_allows_is_kept(self, notes):
        notes.service.processor.handle([self.told("user", 1, id=new_id(), external_id="x" * 200)])
        assert notes.as_user().get("/v1/events/parked").json["items"] == []


@pytest.mark.parametrize(
    ("phone", "shown"),
    [("+8613800138000", "****8000"), ("1234", "****"), ("", "****"), ("12 345", "****2345")],
)
def test_a_masked_phone_shows_its_last_four_digits_at_most(phone, shown):
    assert masked(phone) == shown
