"""The leaderboard, and the board of a team's week."""

from typing import Any

import pytest

from crm_chassis.auth import Scope
from crm_chassis.database import new_id
from crm_chassis.testing_harness import Caller, Harness, event, problem_fields

MONTH = "2026-11"
DAY, BEFORE = "2026-11-10", "2026-10-31"


def tag(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


class Company:
    """North with Ann, Bo and, below it, Coast with Di; South with Cy."""

    TEAMS = {"north": None, "coast": "north", "south": None}
    PEOPLE = {"ann": "north", "bo": "north", "cy": "south", "di": "coast"}

    def __init__(self, sales: Harness) -> None:
        self.sales = sales
        self.ids = {name: new_id() for name in (*self.TEAMS, *self.PEOPLE)}
        self.names = {id_: name for name, id_ in self.ids.items()}
        for team, parent in self.TEAMS.items():
            data = {"id": self.ids[team], "name": team, "parent_id": self.ids.get(parent or "")}
            sales.deliver(event("crm.gateway.team.created.v1", data))
        for user, team in self.PEOPLE.items():
            data = {"id": self.ids[user], "name": user, "team_id": self.ids[team]}
            sales.deliver(event("crm.gateway.user.created.v1", data))
        self.admin = sales.as_user()

    def caller(self, person: str, **grants: Scope) -> Caller:
        held = {f"sales.{name}.read": scope for name, scope in grants.items()}
        team = self.ids[self.PEOPLE[person]]
        return self.sales.as_user(held, team=team, user_id=self.ids[person])

    def deal(self, owner: str, amount: str, currency: str = "EUR", **more: Any) -> dict[str, Any]:
        deal = {"name": f"of {owner}", "amount": amount, "currency": currency}
        deal |= {"owner_id": self.ids[owner], "opened_on": "2026-01-01", **more}
        answer = self.admin.post("/v1/opportunities", json=deal)
        assert answer.status_code == 201, answer.text
        return dict(answer.json)

    def win(self, owner: str, amount: str, day: str = DAY, currency: str = "EUR") -> None:
        self.do(self.deal(owner, amount, currency), "win", closed_on=day)

    def do(self, deal: dict[str, Any], what: str, **body: Any) -> None:
        path = f"/v1/opportunities/{deal['id']}"
        headers = tag(deal["version"])
        if what == "change":
            answer = self.admin.patch(path, json=body, headers=headers)
        elif what == "stage":
            answer = self.admin.put(f"{path}/stage", json=body, headers=headers)
        else:
            answer = self.admin.post(f"{path}/{what}", json=body, headers=headers)
        assert answer.status_code == 200, answer.json
        deal |= answer.json

    def aim(self, scope: str, member: str | None, amount: str, measure: str = "sales") -> None:
        target = {"scope": scope, "member_id": self.ids.get(member or ""), "amount": amount}
        target |= {"month": MONTH, "currency": "EUR", "measure": measure}
        assert self.admin.put("/v1/targets", json=target).status_code == 200

    def board(self, caller: Caller | None = None, **query: Any) -> list[tuple[Any, ...]]:
        asked = {"month": MONTH, **query}
        answer = (caller or self.admin).get("/v1/leaderboard", query_string=asked)
        assert answer.status_code == 200, answer.json
        columns = ("rank", "name", "value", "target", "completion", "gap")
        return [tuple(row[column] for column in columns) for row in answer.json["rows"]]

    def week(self, team: str = "north", caller: Caller | None = None, **query: Any) -> Any:
        asked = {"team_id": self.ids[team], **query}
        return (caller or self.admin).get("/v1/team-board", query_string=asked)


@pytest.fixture
def company(anywhere: Harness) -> Company:
    return Company(anywhere)


def test_people_are_ranked_by_what_they_won_in_the_month(company: Company) -> None:
    for owner, amount in (("ann", "60"), ("ann", "40"), ("bo", "100"), ("cy", "30.50")):
        company.win(owner, amount)
    company.win("cy", "1000", day=BEFORE)
    company.do(company.deal("cy", "500"), "lose", reason="price", closed_on=DAY)
    company.deal("cy", "700")
    company.aim("person", "ann", "80")
    company.aim("person", "di", "50")
    assert company.board() == [
        (1, "ann", "100.00", "80.00", 1.25, None),
        (1, "bo", "100.00", None, None, None),
        (3, "cy", "30.50", None, None, "69.50"),
        (4, "di", "0.00", "50.00", 0.0, "30.50"),
    ]
    assert [row[:3] for row in company.board(measure="won_count")] == [
        (1, "ann", "2"),
        (2, "bo", "1"),
        (2, "cy", "1"),
    ]


def test_a_team_without_a_target_has_the_sum_of_its_peoples(company: Company) -> None:
    company.win("ann", "100")
    company.win("cy", "50")
    for person, amount in (("ann", "150"), ("bo", "50"), ("cy", "70")):
        company.aim("person", person, amount)
    company.aim("team", "south", "200")
    company.aim("company", None, "1000")
    assert company.board(scope="team") == [
        (1, "north", "100.00", "200.00", 0.5, None),
        (2, "south", "50.00", "200.00", 0.25, "50.00"),
    ]


def test_receipts_are_held_against_targets_in_receipts_and_orders_are_counted(
    company: Company,
) -> None:
    company.aim("person", "ann", "40", measure="receipts")
    company.aim("person", "ann", "7")
    line = {"product_name": "a", "quantity": "1", "unit_price": "30.00"}
    account = event("crm.customer.account.created.v1", {"id": new_id()})
    company.sales.deliver(account)
    order = {"account_id": account.subject, "currency": "EUR", "lines": [line], "placed_on": DAY}
    for owner in ("bo", "ann", "ann"):
        answer = company.admin.post("/v1/orders", json=order | {"owner_id": company.ids[owner]})
        assert answer.status_code == 201, answer.text
    receipt = {"amount": "30.00", "currency": "EUR", "received_on": DAY}
    receipt |= {"order_id": answer.json["id"]}
    answer = company.admin.post("/v1/receipts", json=receipt)
    assert answer.status_code == 201, answer.text
    assert company.board(measure="receipts") == [(1, "ann", "30.00", "40.00", 0.75, None)]
    assert [row[:3] for row in company.board(measure="orders")] == [(1, "ann", "2"), (2, "bo", "1")]


def test_amounts_of_two_currencies_are_not_compared(company: Company) -> None:
    company.win("ann", "100")
    company.win("bo", "9000", currency="JPY")
    refused = company.admin.get(f"/v1/leaderboard?month={MONTH}")
    assert problem_fields(refused) == ["currency"]
    assert [row[:3] for row in company.board(currency="JPY")] == [(1, "bo", "9000.00")]
    assert len(company.board(measure="won_count")) == 2


@pytest.mark.parametrize(
    ("scope", "people", "teams"),
    [
        ("own", ["ann"], []),
        ("team", ["ann", "bo"], ["north"]),
        ("subtree", ["ann", "bo", "di"], ["north", "coast"]),
        ("all", ["ann", "bo", "cy", "di"], ["north", "south", "coast"]),
    ],
)
def test_a_leaderboard_shows_whom_the_permission_reaches(
    company: Company, scope: Scope, people: list[str], teams: list[str]
) -> None:
    for owner, amount in (("ann", "50"), ("bo", "40"), ("cy", "30"), ("di", "20")):
        company.win(owner, amount)
        company.aim("person", owner, "10")
    ann = company.caller("ann", boards=scope)
    assert [row[1] for row in company.board(ann)] == people
    assert [row[1] for row in company.board(ann, scope="team")] == teams
    reached = {team for team in company.TEAMS if company.week(team, ann).status_code == 200}
    assert reached == set(teams)
    assert company.week("south", company.caller("ann", opportunities="all")).status_code == 403


def test_a_leaderboard_is_as_many_questions_however_many_are_on_it(sales: Harness) -> None:
    from sqlalchemy import event as database_event

    company = Company(sales)
    asked: list[int] = []
    statements: list[str] = []
    engine = sales.service.database.engine

    def count(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    for owners in (["ann"], ["bo", "cy", "di"]):
        for owner in owners:
            company.win(owner, "10")
        statements.clear()
        database_event.listen(engine, "before_cursor_execute", count)
        company.board()
        company.week()
        database_event.remove(engine, "before_cursor_execute", count)
        asked.append(len(statements))
    assert asked[0] == asked[1]


def test_a_team_sees_what_moved_and_why_its_pipeline_is_worth_more_or_less(
    company: Company,
) -> None:
    grown = company.deal("ann", "100", expected_close_on="2026-12-01")
    company.do(grown, "change", amount="150", expected_close_on="2027-01-15")
    company.do(grown, "stage", stage="proposal")
    company.do(grown, "stage", stage="qualification")
    won = company.deal("ann", "200")
    company.do(won, "win", amount="180")
    lost = company.deal("bo", "70")
    company.do(lost, "lose", reason="price")
    company.do(lost, "reopen")
    given = company.deal("bo", "30")
    company.do(given, "change", owner_id=company.ids["cy"])
    dollars = company.deal("ann", "40")
    company.do(dollars, "change", amount="50", currency="USD")
    board = company.week().json
    euros, in_dollars = board["pipelines"]
    assert (euros["currency"], euros["opening"], euros["closing"]) == ("EUR", "0.00", "220.00")
    assert euros["causes"] == {
        "new": "440.00",
        "reopened": "70.00",
        "received": "0.00",
        "increased": "50.00",
        "decreased": "60.00",
        "won": "180.00",
        "lost": "70.00",
        "invalid": "0.00",
        "given_away": "30.00",
    }
    assert (in_dollars["closing"], in_dollars["causes"]["increased"]) == ("50.00", "50.00")
    ann, bo = board["people"]
    told = {"opened": 3, "won": 1, "lost": 0, "invalid": 0, "reopened": 0}
    assert ann["moves"] == told | {"forward": 1, "back": 1, "slipped": 1}
    assert [each["currency"] for each in ann["amounts"]] == ["EUR", "USD"]
    assert (bo["name"], bo["moves"]["lost"], bo["moves"]["reopened"]) == ("bo", 1, 1)
    south = company.week("south").json
    assert south["pipelines"][0]["causes"]["received"] == "30.00"


def test_moves_say_before_and_after_of_the_deals_that_are_seen(company: Company) -> None:
    deal = company.deal("bo", "100", expected_close_on="2026-12-01")
    company.do(deal, "change", amount="150", expected_close_on="2027-01-15")
    own = company.deal("ann", "7")
    path, query = "/v1/team-board/moves", {"team_id": company.ids["north"], "limit": 2}
    first = company.admin.get(path, query_string=query).json
    rest = company.admin.get(path, query_string=query | {"cursor": first["next_cursor"]}).json
    moves = [*first["items"], *rest["items"]]
    assert [move["kinds"] for move in moves] == [["opened"], ["slipped"], ["opened"]]
    slipped = moves[1]
    assert (slipped["name"], slipped["from_amount"], slipped["to_amount"]) == (
        "of bo",
        "100.00",
        "150.00",
    )
    assert slipped["from_expected_close_on"] == "2026-12-01"
    ann = company.caller("ann", boards="team", opportunities="own")
    seen = ann.get(path, query_string=query).json["items"]
    assert [move["opportunity_id"] for move in seen] == [own["id"]]
    assert company.caller("ann", boards="team").get(path, query_string=query).status_code == 403


def test_tasks_done_and_overdue_are_those_of_the_team(company: Company) -> None:
    for owner, due in (("ann", "2026-01-05T10:00:00Z"), ("cy", "2026-01-05T10:00:00Z")):
        task = {"title": "call", "due_at": due, "owner_id": company.ids[owner]}
        assert company.admin.post("/v1/tasks", json=task).status_code == 201
    task = {"title": "x", "due_at": "2099-01-05T10:00:00Z", "owner_id": company.ids["bo"]}
    done = company.admin.post("/v1/tasks", json=task).json
    path = f"/v1/tasks/{done['id']}/complete"
    assert company.admin.post(path, json={}, headers=tag(1)).status_code == 200
    people = {row["name"]: row for row in company.week().json["people"]}
    assert {name: (row["tasks_done"], row["tasks_overdue"]) for name, row in people.items()} == {
        "ann": (0, 1),
        "bo": (1, 0),
    }


def test_a_team_is_looked_at_with_those_below_it(company: Company) -> None:
    deal = company.deal("ann", "100")
    company.do(deal, "change", owner_id=company.ids["di"])
    alone = company.week().json["pipelines"][0]
    assert (alone["closing"], alone["causes"]["given_away"]) == ("0.00", "100.00")
    together = company.week(below=True).json["pipelines"][0]
    assert (together["closing"], together["causes"]["given_away"]) == ("100.00", "0.00")


@pytest.mark.parametrize("week", ["2026-W54", "2026-47", "2026-W00", "0001-W01", "x"])
def test_what_is_no_week_is_refused(sales: Harness, week: str) -> None:
    company = Company(sales)
    assert problem_fields(company.week(week=week)) == ["week"]
    assert problem_fields(company.admin.get("/v1/leaderboard?month=2026-13")) == ["month"]
