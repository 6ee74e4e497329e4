"""What the KPIs answer."""

from __future__ import annotations

from typing import Any

import pytest

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event, problem_fields

ANN, BO = "01900000-0000-7000-8000-00000000000a", "01900000-0000-7000-8000-00000000000b"
COMPANY, NORTH, SOUTH, BERLIN = (f"01900000-0000-7000-8000-0000000000{n}1" for n in range(1, 5))
ACME, BETA = "01900000-0000-7000-8000-0000000000c1", "01900000-0000-7000-8000-0000000000c2"
GTX, MG = "01900000-0000-7000-8000-0000000000d1", "01900000-0000-7000-8000-0000000000d2"

OPEN = {"stage": "proposal", "stage_order": 3, "stage_type": "open", "probability": 50}
WON = {"stage": "won", "stage_order": 5, "stage_type": "won", "probability": 100}
LOST = {"stage": "lost", "stage_order": 6, "stage_type": "lost", "probability": 0}
_NOTHING = {
    "account_id": None,
    "product_id": None,
    "lead_id": None,
    "campaign_id": None,
    "source": None,
    "owner_id": ANN,
    "team_id": NORTH,
    "currency": "EUR",
    "amount": "0.00",
    "quantity": 1,
    "opened_on": None,
    "expected_close_on": None,
    "closed_on": None,
    "lost_reason": None,
}


def deal(state: dict[str, Any], **fields: Any) -> Event:
    """A deal that came to be in this state."""
    data = _NOTHING | state | {"id": new_id()} | fields
    return event("crm.sales.opportunity.opened.v1", data)


def won(amount: str, closed_on: str, **fields: Any) -> Event:
    return deal(WON, amount=amount, closed_on=closed_on, **fields)


def lost(closed_on: str, **fields: Any) -> Event:
    return deal(LOST, closed_on=closed_on, **fields)


def lead(**fields: Any) -> Event:
    data = {
        "id": new_id(),
        "status": "new",
        "created_on": "2026-01-05",
        "converted_on": None,
        "account_id": None,
        "contact_id": None,
        "opportunity_id": None,
    }
    return event("crm.sales.lead.created.v1", data | fields)


def target(amount: str, month: str, scope: str = "team", member: str = COMPANY) -> Event:
    data = {"id": new_id(), "scope": scope, "member_id": member, "month": month}
    return event("crm.sales.target.set.v1", data | {"amount": amount, "currency": "EUR"})


def account(id_: str, sequence: int = 1, **fields: Any) -> Event:
    return event("crm.customer.account.created.v1", {"id": id_, **fields}, sequence=sequence)


@pytest.fixture
def tree() -> list[Event]:
    """The company has north and south, the north has Berlin; Ann is in Berlin, Bo in the south."""
    teams = [(COMPANY, "Company", None), (NORTH, "North", COMPANY), (SOUTH, "South", COMPANY)]
    teams.append((BERLIN, "Berlin", NORTH))
    users = [(ANN, "Ann", BERLIN), (BO, "李雷", SOUTH)]
    return [
        event("crm.gateway.team.created.v1", {"id": id_, "name": name, "parent_id": parent})
        for id_, name, parent in teams
    ] + [
        event("crm.gateway.user.created.v1", {"id": id_, "name": name, "team_id": team})
        for id_, name, team in users
    ]


def ask(service: Harness, path: str, status: int = 200, **query: Any) -> Any:
    response = service.as_user().get(f"/v1/{path}", query_string=query)
    assert response.status_code == status, response.get_data(as_text=True)
    return response if status != 200 else response.json


def kpi(service: Harness, name: str, **query: Any) -> Any:
    return ask(service, f"kpis/{name}", **query)


def values(answer: Any) -> dict[Any, Any]:
    """Member's name and period, as far as the answer is divided by them, to the value."""
    return {
        tuple(filter(None, (row["period"], row["member"] and row["member"]["name"]))): row["value"]
        for row in answer["rows"]
    }


SPAN_2022 = {"from": "2022-09-01", "to": "2022-11-30"}


def test_sales_report_of_the_worked_example(anywhere: Harness, tree: list[Event]) -> None:
    sold = {
        "2022-09-14": ("10000", 100),
        "2022-10-03": ("15000", 150),
        "2022-11-30": ("20000", 200),
    }
    anywhere.deliver(*tree)
    for day, (amount, quantity) in sold.items():
        anywhere.deliver(won(amount, day, quantity=quantity), target("10000", day[:7]))
    report = ask(anywhere, "reports/sales", **SPAN_2022)
    rows = [
        (row["month"], row["sales"], row["quantity"], row["target"], row["completion"])
        for row in report["rows"]
    ]
    assert rows == [
        ("2022-09", "10000.00", 100, "10000.00", 1.0),
        ("2022-10", "15000.00", 150, "10000.00", 1.5),
        ("2022-11", "20000.00", 200, "10000.00", 2.0),
    ]
    assert report["total"]["completion"] == 1.5
    assert report["currency"] == "EUR"


def test_sales_report_shows_months_without_sales(reporting: Harness) -> None:
    reporting.deliver(won("5", "2022-10-10"))
    rows = ask(reporting, "reports/sales", **SPAN_2022)["rows"]
    assert [(row["sales"], row["quantity"], row["completion"]) for row in rows] == [
        ("0.00", 0, None),
        ("5.00", 1, None),
        ("0.00", 0, None),
    ]


def test_funnel_of_the_worked_example(anywhere: Harness) -> None:
    leads = [lead() for _ in range(80)] + [lead(status="qualified") for _ in range(18)]
    winner, other = lead(status="converted"), lead(status="qualified")
    anywhere.deliver(
        won("1", "2026-02-01", lead_id=winner.subject), deal(OPEN, lead_id=other.subject)
    )
    anywhere.deliver(*leads, winner, other)
    steps = ask(anywhere, "reports/funnel", **{"from": "2026-01-01", "to": "2026-01-31"})["steps"]
    assert [(s["step"], s["count"], s["conversion"], s["loss"]) for s in steps] == [
        ("lead", 100, 0.2, 0.8),
        ("prospect", 20, 0.1, 0.9),
        ("opportunity", 2, 0.5, 0.5),
        ("won", 1, 1.0, 0.0),
    ]


def test_a_lead_counts_once_in_each_step_it_ever_took(reporting: Harness) -> None:
    told = lead(status="qualified")
    again = event(
        "crm.sales.lead.status_changed.v1",
        told.data
        | {"status": "new"}
        | {"change": {"from_status": "recycled", "to_status": "new", "seconds_in_status": 5}},
        sequence=4,
    )
    reporting.deliver(told, again)
    assert [row["value"] for row in kpi(reporting, "funnel")["rows"]] == [1, 1, 0, 0]


def test_win_rate_leaves_out_open_and_invalid_deals(anywhere: Harness) -> None:
    invalid = OPEN | {"stage": "junk", "stage_type": "invalid"}
    anywhere.deliver(won("1", "2026-01-05"), won("2", "2026-01-06"), lost("2026-01-31"))
    anywhere.deliver(deal(OPEN), deal(invalid, closed_on="2026-01-07"))
    answer = kpi(anywhere, "win_rate", **{"from": "2026-01-01", "to": "2026-01-31"})
    assert answer["total"] == {"value": 0.666667, "components": {"won_count": 2, "lost_count": 1}}
    assert kpi(anywhere, "win_rate", **{"from": "2027-01-01"})["total"]["value"] is None


def test_cycles_are_whole_days_of_deals_with_both_dates(reporting: Harness) -> None:
    reporting.deliver(
        won("1", "2026-01-11", opened_on="2026-01-01"),
        won("1", "2026-01-04", opened_on="2026-01-01"),
        won("1", "2026-01-04", opened_on="2026-01-04"),
        won("1", "2026-01-04"),
        lost("2026-03-01", opened_on="2026-02-27"),
    )
    assert kpi(reporting, "sales_cycle")["total"]["value"] == 4.3333
    assert kpi(reporting, "lost_cycle")["total"]["value"] == 2


def test_pipeline_is_of_open_deals_alone_and_reopening_brings_one_back(reporting: Harness) -> None:
    due = {"expected_close_on": "2026-05-17", "amount": "99.99"}
    first = deal(OPEN, **due)
    closed = event(
        "crm.sales.opportunity.won.v1", first.data | WON | {"closed_on": "2026-05-02"}, sequence=2
    )
    reporting.deliver(first, deal(OPEN, amount="100", probability=20), lost("2026-05-01"))
    assert kpi(reporting, "pipeline")["total"]["value"] == "199.99"
    # 99.99 x 50 % and 100 x 20 %
    assert kpi(reporting, "weighted_pipeline")["total"]["value"] == "69.995"
    may = {"from": "2026-05-01", "to": "2026-05-31"}
    assert kpi(reporting, "pipeline", **may)["total"]["value"] == "99.99"
    assert values(kpi(reporting, "open_count", grain="quarter", by="stage")) == {
        ("2026-Q2", "proposal"): 1,
        ("proposal",): 1,
    }
    reporting.deliver(closed)
    assert kpi(reporting, "open_count")["total"]["value"] == 1
    assert kpi(reporting, "sales")["total"]["value"] == "99.99"
    again = first.data | {"change": closed.data["change"]}
    reopened = event("crm.sales.opportunity.reopened.v1", again, sequence=3)
    reporting.deliver(reopened)
    assert kpi(reporting, "open_count")["total"]["value"] == 2
    assert kpi(reporting, "sales")["total"]["value"] == "0.00"


@pytest.mark.parametrize(
    ("grain", "periods"),
    [
        ("day", ["2022-01-01", "2022-01-03", "2022-12-31"]),
        ("week", ["2021-W52", "2022-W01", "2022-W52"]),
        ("month", ["2022-01", "2022-12"]),
        ("quarter", ["2022-Q1", "2022-Q4"]),
        ("year", ["2022"]),
    ],
)
def test_periods(anywhere: Harness, grain: str, periods: list[str]) -> None:
    days = ["2022-01-01", "2022-01-03", "2022-12-31"]
    anywhere.deliver(*(won("10", day) for day in days))
    answer = kpi(anywhere, "sales", grain=grain)
    assert [row["period"] for row in answer["rows"]] == periods
    assert sum(float(row["value"]) for row in answer["rows"]) == 30


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        ("2026-01-31", "2026-03-01", 5),
        ("2026-02-01", "2026-02-28", 3),
        ("2026-02-02", "2026-02-27", 1),
        ("2026-02-02", "2026-03-01", 3),
        (None, "2026-02-01", 2),
        ("2026-02-28", None, 2),
        (None, None, 6),
    ],
)
def test_from_and_to_are_both_included(
    reporting: Harness, first: str | None, last: str | None, expected: int
) -> None:
    days = ["2026-01-31", "2026-02-01", "2026-02-14", "2026-02-28", "2026-03-01"]
    reporting.deliver(*(won("1", day) for day in days), deal(WON))
    span = {"from": first, "to": last}
    answer = kpi(reporting, "won_count", **{name: day for name, day in span.items() if day})
    assert answer["total"]["value"] == expected


def test_teams_roll_up_to_the_level_asked_for(anywhere: Harness, tree: list[Event]) -> None:
    anywhere.deliver(*tree)
    anywhere.deliver(
        won("1", "2026-01-05", team_id=BERLIN),
        won("10", "2026-01-05", team_id=NORTH),
        won("100", "2026-01-05", team_id=SOUTH, owner_id=BO),
        won("1000", "2026-01-05", team_id=COMPANY),
        won("10000", "2026-01-05", team_id=None, owner_id=None),
    )
    by_team = {("Berlin",): "1.00", ("North",): "10.00", ("South",): "100.00"}
    rest = {("Company",): "1000.00", ("(none)",): "10000.00"}
    assert values(kpi(anywhere, "sales", by="team")) == by_team | rest
    regions = {("North",): "11.00", ("South",): "100.00"}
    assert values(kpi(anywhere, "sales", by="team", level=1)) == regions | rest
    everything = {("Company",): "1111.00", ("(none)",): "10000.00"}
    assert values(kpi(anywhere, "sales", by="team", level=0)) == everything
    people = {("Ann",): "1011.00", ("李雷",): "100.00", ("(none)",): "10000.00"}
    assert values(kpi(anywhere, "sales", by="person")) == people


def test_targets_add_up_the_tree_where_none_is_set_above(
    reporting: Harness, tree: list[Event]
) -> None:
    reporting.deliver(*tree, won("30", "2026-01-05", team_id=BERLIN))
    reporting.deliver(target("20", "2026-01", "person", ANN), target("7", "2026-01", "person", BO))
    january = {"from": "2026-01-01", "to": "2026-01-31"}
    assert kpi(reporting, "target", **january)["total"]["value"] == "27.00"
    by_region = kpi(reporting, "completion", by="team", level=1, **january)
    assert values(by_region) == {("North",): 1.5, ("South",): 0.0}
    reporting.deliver(target("60", "2026-01", "team", NORTH))
    assert kpi(reporting, "target", **january)["total"]["value"] == "67.00"
    assert values(kpi(reporting, "completion", by="person"))[("Ann",)] == 1.5
    by_region = kpi(reporting, "completion", by="team", level=1, grain="quarter")
    assert values(by_region) == {("2026-Q1", "North"): 0.5, ("2026-Q1", "South"): 0.0}
    assert by_region["total"]["components"] == {"won_value": "30.00", "target": "67.00"}


def test_deals_follow_their_account_to_its_industry(anywhere: Harness) -> None:
    anywhere.deliver(won("10", "2026-01-05", account_id=ACME), deal(OPEN, account_id=ACME))
    anywhere.deliver(won("1", "2026-01-05", account_id=BETA), won("100", "2026-01-05"))
    assert values(kpi(anywhere, "sales", by="industry")) == {("(none)",): "111.00"}
    anywhere.deliver(account(ACME, industry="IT", region="east", name="Acme"))
    by_industry = {("IT",): "10.00", ("(none)",): "101.00"}
    assert values(kpi(anywhere, "sales", by="industry", grain=None)) == by_industry
    moved = account(ACME, sequence=2, industry="finance", region=None, name="Acme")
    anywhere.deliver(account(BETA, industry="IT", name="Beta"), moved)
    by_industry = {("finance",): "10.00", ("IT",): "1.00", ("(none)",): "100.00"}
    assert values(kpi(anywhere, "sales", by="industry")) == by_industry
    assert values(kpi(anywhere, "open_count", by="industry")) == {("finance",): 1}
    assert values(kpi(anywhere, "sales", by="region"))[("(none)",)] == "110.00"
    assert values(kpi(anywhere, "sales", by="account"))[("Acme",)] == "10.00"


def test_products_and_their_series(reporting: Harness) -> None:
    product = {"series": "G", "currency": "EUR"}
    reporting.deliver(
        event("crm.sales.product.created.v1", product | {"id": GTX, "name": "GTX Pro"}),
        won("5", "2026-01-05", product_id=GTX),
        won("6", "2026-01-05", product_id=MG),
    )
    assert values(kpi(reporting, "sales", by="product")) == {("GTX Pro",): "5.00", (MG,): "6.00"}
    assert values(kpi(reporting, "sales", by="series")) == {("(none)",): "6.00", ("G",): "5.00"}


def test_opportunities_by_stage_and_the_funnel_through_them(anywhere: Harness) -> None:
    first = {"stage": "prospecting", "stage_order": 1, "stage_type": "open", "probability": 10}
    early = deal(first, opened_on="2026-01-05")
    change = {"from_stage": "proposal", "to_stage": "lost", "seconds_in_stage": 2 * 86_400}
    order = {"from_stage_order": 3, "to_stage_order": 6}
    gone = event(
        "crm.sales.opportunity.lost.v1",
        deal(LOST, closed_on="2026-02-01", lost_reason="price").data | {"change": change | order},
        sequence=2,
    )
    anywhere.deliver(early, gone, deal(OPEN), won("1", "2026-01-05"))
    by_stage = {("prospecting",): 1, ("proposal",): 1, ("won",): 1, ("lost",): 1}
    assert values(kpi(anywhere, "opportunities_by_stage")) == by_stage
    funnel = kpi(anywhere, "stage_funnel")["rows"]
    assert [(row["step"]["name"], row["value"], row["conversion"]) for row in funnel] == [
        ("prospecting", 4, 0.75),
        ("proposal", 3, 0.333333),
        ("won", 1, 1.0),
    ]
    assert values(kpi(anywhere, "time_in_stage")) == {("proposal",): 2.0}


def test_campaigns(reporting: Harness) -> None:
    spring, autumn = new_id(), new_id()
    for id_, name, cost in ((spring, "Spring", "100.00"), (autumn, "Autumn", None)):
        fields = {"id": id_, "name": name, "actual_cost": cost, "currency": "EUR"}
        reporting.deliver(event("crm.marketing.campaign.created.v1", fields))
    reporting.deliver(won("250", "2026-01-05", campaign_id=spring), won("9", "2026-01-05"))
    assert values(kpi(reporting, "campaign_won_value", by="campaign")) == {("Spring",): "250.00"}
    assert kpi(reporting, "campaign_won_value")["total"]["value"] == "250.00"
    roi = kpi(reporting, "campaign_roi", by="campaign")
    assert values(roi) == {("Spring",): 1.5, ("Autumn",): None}
    assert kpi(reporting, "campaign_cost")["total"]["value"] == "100.00"


def test_tickets(reporting: Harness) -> None:
    day = {"opened_on": "2026-01-05", "opened_at": "2026-01-05T08:00:00Z"}
    resolved = {"resolved_on": "2026-01-06", "resolved_at": "2026-01-06T09:30:00Z"}
    new = day | {
        "type": "question",
        "status": "new",
        "resolved_on": None,
        "resolved_at": None,
        "closed_on": None,
    }
    opened = event("crm.service-desk.ticket.opened.v1", new | {"id": new_id()})
    change = {"from_status": "open", "to_status": "resolved", "seconds_in_status": 1}
    reporting.deliver(
        opened,
        event("crm.service-desk.ticket.opened.v1", new | {"id": new_id(), "type": "complaint"}),
        event(
            "crm.service-desk.ticket.resolved.v1",
            opened.data | resolved | {"status": "resolved", "change": change},
            sequence=2,
        ),
    )
    assert kpi(reporting, "tickets_opened")["total"]["value"] == 2
    assert values(kpi(reporting, "tickets_opened", by="type"))[("complaint",)] == 1
    assert kpi(reporting, "tickets_resolved", grain="day")["rows"][0]["period"] == "2026-01-06"
    assert kpi(reporting, "resolution_time")["total"]["value"] == 25.5


def test_leads_and_customers_by_source(reporting: Harness) -> None:
    reporting.deliver(lead(source="web"), lead(source="web"), lead(source=None))
    reporting.deliver(account(ACME, source="fair", created_on="2026-01-05"))
    assert values(kpi(reporting, "leads", by="source")) == {("web",): 2, ("(none)",): 1}
    customers = kpi(reporting, "new_customers", by="source", grain="month")
    assert values(customers) == {("2026-01", "fair"): 1}


def test_amounts_in_several_currencies_are_not_added(reporting: Harness) -> None:
    reporting.deliver(won("1", "2026-01-05"), won("2", "2026-01-05", currency="USD"))
    assert problem_fields(kpi(reporting, "sales", status=422)) == ["currency"]
    dollars = kpi(reporting, "sales", currency="USD")
    assert (dollars["total"]["value"], dollars["currency"]) == ("2.00", "USD")
    assert kpi(reporting, "won_count")["total"]["value"] == 2
    assert kpi(reporting, "won_count", currency="USD")["total"]["value"] == 1


def test_members_narrow_the_answer(reporting: Harness) -> None:
    reporting.deliver(
        won("1", "2026-01-05", source="web"),
        won("2", "2026-01-05", source="fair"),
        won("4", "2026-01-05"),
    )
    both = kpi(reporting, "sales", by="source", member=["web", ""])
    assert values(both) == {("web",): "1.00", ("(none)",): "4.00"}
    assert both["total"]["value"] == "5.00"


def test_the_largest_rows_come_first_and_may_be_limited(reporting: Harness) -> None:
    reporting.deliver(*(won(str(n), "2026-01-05", source=f"s{n}") for n in (1, 3, 2)))
    answer = kpi(reporting, "sales", by="source", limit=2)
    assert [row["member"]["name"] for row in answer["rows"]] == ["s3", "s2"]
    assert answer["truncated"] is True
    assert answer["total"]["value"] == "6.00"


@pytest.mark.parametrize(
    ("path", "query", "fields"),
    [
        ("kpis/sales", {"by": "stage"}, ["by"]),
        ("kpis/sales", {"from": "2026-02-30"}, ["from"]),
        ("kpis/sales", {"from": "2026-02-01", "to": "2026-01-01"}, ["to"]),
        ("kpis/sales", {"grain": "hour"}, ["grain"]),
        ("kpis/sales", {"level": 1}, ["level"]),
        ("kpis/sales", {"member": "x"}, ["member"]),
        ("kpis/sales", {"by": "person", "member": "x"}, ["member"]),
        ("kpis/sales", {"currency": "euro"}, ["currency"]),
        ("kpis/sales", {"colour": "red"}, ["colour"]),
        ("kpis/leads", {"currency": "EUR"}, ["currency"]),
        ("kpis/completion", {"grain": "week"}, ["grain"]),
        ("kpis/pipeline", {"grain": "day"}, ["grain"]),
        ("kpis/pipeline", {"from": "2026-01-02", "to": "2026-01-30"}, ["from", "to"]),
        ("kpis/stage_funnel", {"by": "person"}, ["by"]),
        ("kpis/sales/facts", {"cursor": "x"}, ["cursor"]),
        ("kpis/funnel/facts", {"step": "x"}, ["step"]),
        ("reports/sales", {"from": "1900-01-01", "to": "2026-01-01"}, ["to"]),
    ],
)
def test_what_cannot_be_asked_names_the_parameter(
    reporting: Harness, path: str, query: dict[str, Any], fields: list[str]
) -> None:
    assert problem_fields(ask(reporting, path, status=422, **query)) == fields


def test_an_unknown_kpi_is_not_found(reporting: Harness) -> None:
    assert problem_fields(kpi(reporting, "luck", status=404)) == ["name"]


def test_every_kpi_is_listed_and_answers_before_there_is_anything(anywhere: Harness) -> None:
    listed = ask(anywhere, "kpis")["items"]
    assert {"sales", "win_rate", "funnel", "stage_funnel"} < {item["name"] for item in listed}
    for item in listed:
        assert item["formula"]
        divisions = [{"by": by} for by in item["dimensions"]]
        divisions += [{"grain": grain} for grain in item["grains"]]
        for division in ({}, *divisions):
            span = {"from": "2026-01-01", "to": "2026-12-31"}
            assert kpi(anywhere, item["name"], **division, **span)["unit"] == item["unit"]


def test_an_answer_says_how_fresh_it_is(reporting: Harness) -> None:
    assert kpi(reporting, "sales")["as_of"] is None
    reporting.deliver(won("1", "2026-01-05"))
    assert kpi(reporting, "sales")["as_of"].endswith("Z")
