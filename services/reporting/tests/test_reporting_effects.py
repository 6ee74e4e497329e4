"""From an event to the figures: what became of it here."""

from __future__ import annotations

from typing import Any

from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.testing_harness import Harness, event

WON = "crm.sales.opportunity.won.v1"


def won(deal: str, sequence: int = 2, **data: Any) -> Event:
    change = {
        "from_stage": "negotiation",
        "to_stage": "won",
        "from_stage_order": 3,
        "to_stage_order": 4,
        "seconds_in_stage": 5,
    }
    state = {"stage": "won", "stage_order": 4, "stage_type": "won", "closed_on": "2026-03-01"}
    given = {"id": deal, "lead_id": None, "change": change, **state, **data}
    return event(WON, given, sequence=sequence)


def effects(service: Harness, told: Event) -> dict[str, dict[str, Any]]:
    answer = service.as_user().get(f"/v1/events/{told.id}")
    assert answer.status_code == 200, answer.json
    return {each["table"]: each for each in answer.json["received"]["effects"]}


def test_a_win_is_found_in_the_sums_that_it_is_counted_in(anywhere: Harness) -> None:
    deal = new_id()
    told = won(deal)
    anywhere.deliver(told)
    found = effects(anywhere, told)
    assert found["opportunities"] == {
        "table": "opportunities",
        "key": deal,
        "state": "stands",
        "counted_in": ["closed_deals", "deal_stages"],
    }
    assert found["stage_moves"] == {
        "table": "stage_moves",
        "key": told.id,
        "state": "stands",
        "counted_in": ["stage_times"],
    }
    assert "pipeline_stages" not in found


def test_an_older_state_is_superseded(anywhere: Harness) -> None:
    deal = new_id()
    older, newer = won(deal), won(deal, sequence=3)
    anywhere.deliver(newer, older)
    assert effects(anywhere, older)["opportunities"]["state"] == "superseded"
    assert effects(anywhere, older)["opportunities"]["counted_in"] == []
    assert effects(anywhere, newer)["opportunities"]["state"] == "stands"


def test_a_lead_that_was_only_heard_of_is_counted_nowhere(anywhere: Harness) -> None:
    told = won(new_id(), lead_id=new_id())
    anywhere.deliver(told)
    lead = effects(anywhere, told)["leads"]
    assert (lead["state"], lead["counted_in"]) == ("stands", [])


def test_nothing_personal_is_told_of_an_archived_event(anywhere: Harness) -> None:
    lead = event("crm.sales.lead.created.v1", {"id": new_id(), "name": "王小明"})
    anywhere.deliver(lead)
    answer = anywhere.as_user().get(f"/v1/events/{lead.id}").get_data(as_text=True)
    assert "王小明" not in answer
    assert effects(anywhere, lead)["leads"]["key"] == lead.subject
