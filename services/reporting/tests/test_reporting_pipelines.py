"""Deals that go from one pipeline to another."""

from typing import Any

from sqlalchemy import select

from crm_chassis.database import new_id
from crm_chassis.testing_harness import Harness, event
from crm_reporting.projections.archive import Archive
from crm_reporting.projections.tables import STANDING

PIPELINE = new_id()
KINDS = {"won": "won", "lost": "lost"}


def stages(*keys: str) -> list[dict[str, Any]]:
    return [
        {
            "key": key,
            "name": key,
            "position": place,
            "type": KINDS.get(key, "open"),
            "probability": 10,
            "active": True,
            "required_fields": [],
        }
        for place, key in enumerate(keys, 1)
    ]


def shaped(sequence: int, *keys: str) -> Any:
    state = {"id": PIPELINE, "key": "renewals", "name": "Renewals", "stages": stages(*keys)}
    verb = "created" if sequence == 1 else "changed"
    return event(f"crm.sales.pipeline.{verb}.v1", state, subject=PIPELINE, sequence=sequence)


def opened(stage: str, order: int) -> Any:
    kind = KINDS.get(stage, "open")
    state = {"pipeline": "renewals", "stage": stage, "stage_order": order, "stage_type": kind}
    return event("crm.sales.opportunity.opened.v1", {"id": new_id(), **state})


def funnel(reporting: Harness) -> list[tuple[str, int]]:
    rows = reporting.as_user().get("/v1/kpis/stage_funnel").json["rows"]
    return [(row["step"]["name"], row["value"]) for row in rows]


def test_a_stage_is_at_its_place_in_the_funnel_once_after_a_reorder(reporting: Harness) -> None:
    before = shaped(1, "due", "offered", "checked", "won", "lost")
    after = shaped(2, "due", "checked", "offered", "won", "lost")
    deals = [opened("due", 1), opened("offered", 2), opened("checked", 3), opened("checked", 2)]
    reporting.deliver(before, *deals[:3])
    assert funnel(reporting) == [("due", 3), ("offered", 2), ("checked", 1), ("won", 0)]
    reporting.deliver(after, deals[3])
    assert funnel(reporting) == [("due", 4), ("checked", 3), ("offered", 1), ("won", 0)]
    for step, count in (("due", 4), ("checked", 3), ("offered", 1)):
        query = {"step": f"renewals/{step}", "from": "2020-01-01", "to": "2030-12-31"}
        facts = reporting.as_user().get("/v1/kpis/stage_funnel/facts", query_string=query)
        assert len(facts.json["items"]) == count, step
    archive = Archive(reporting.service.database, reporting.service.settings.zone)
    assert archive.rebuild() == 6
    assert list(archive.verify()) == []
    assert funnel(reporting) == [("due", 4), ("checked", 3), ("offered", 1), ("won", 0)]


def test_a_pipeline_that_was_never_told_of_has_the_stages_of_its_deals(reporting: Harness) -> None:
    reporting.deliver(opened("due", 1), opened("offered", 2), opened("offered", 3))
    assert funnel(reporting) == [("due", 3), ("offered", 2)]


def test_a_move_to_another_pipeline_is_told_by_the_stages_of_both(reporting: Harness) -> None:
    change = {
        "from_pipeline": "default",
        "from_stage": "negotiation",
        "to_stage": "due",
        "from_stage_order": 4,
        "to_stage_order": 1,
        "seconds_in_stage": 60,
    }
    state = {"pipeline": "renewals", "stage": "due", "stage_order": 1, "stage_type": "open"}
    reporting.deliver(
        event(
            "crm.sales.opportunity.stage_changed.v1",
            {**state, "closed_on": None, "change": change},
            sequence=2,
        )
    )
    moves, deals = STANDING["stage_moves"].c, STANDING["opportunities"].c
    with reporting.service.database.reading() as session:
        move = session.execute(select(moves.from_stage, moves.to_stage)).one()
        reached = session.scalars(select(deals.furthest_stage)).one()
    assert tuple(move) == ("default/negotiation", "renewals/due")
    assert reached == "renewals/000001/due"
