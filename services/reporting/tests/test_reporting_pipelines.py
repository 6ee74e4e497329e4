"""Deals that go from one pipeline to another."""

from sqlalchemy import select

from crm_chassis.testing_harness import Harness, event
from crm_reporting.projections.tables import STANDING


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
    assert reached == "renewals/000001"
