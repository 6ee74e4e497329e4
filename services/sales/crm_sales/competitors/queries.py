"""What is asked about competitors."""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, func, select
from sqlalchemy.orm import Session

from crm_chassis.auth import visible
from crm_sales.opportunities.models import Opportunity, OpportunityCompetitor

_DEALS = "sales.opportunities.read"


def record(session: Session, competitor_id: str) -> dict[str, int]:
    """How the deals went in which we met a competitor, of those that the current principal sees."""
    won, lost = Opportunity.stage_type == "won", Opportunity.stage_type == "lost"
    theirs = OpportunityCompetitor.took_the_deal
    cases: dict[str, ColumnElement[bool]] = {
        "open": Opportunity.stage_type == "open",
        "won": won,
        "lost": and_(lost, theirs),
        "lost_to_others": and_(lost, ~theirs),
    }
    counts = [func.count().filter(case).label(name) for name, case in cases.items()]
    met = OpportunityCompetitor.opportunity_id == Opportunity.id
    statement = visible(select(*counts), Opportunity, _DEALS)
    found = session.execute(
        statement.select_from(Opportunity)
        .join(OpportunityCompetitor, met)
        .where(OpportunityCompetitor.competitor_id == competitor_id)
    ).one()
    return dict(found._mapping)
