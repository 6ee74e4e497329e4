"""Whom else the customer of a deal may buy from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.database import utc_now
from crm_chassis.problems import conflict, invalid
from crm_sales.competitors.models import Competitor
from crm_sales.opportunities import events
from crm_sales.opportunities.models import MOST_COMPETITORS, Opportunity, OpportunityCompetitor


def set_competitors(
    session: Session, opportunity: Opportunity, competitors: Sequence[dict[str, Any]]
) -> bool:
    """Have a deal meet these competitors, and no others.

    :returns: False when it was so already; then nothing is told.
    :raises Problem: 409 when the one to whom the deal was lost would go; 422 for unknown ones.
    """
    _require_known(session, competitors)
    standing = {met.competitor_id: met for met in opportunity.competitors}
    wanted = {values["competitor_id"] for values in competitors}
    if any(met.took_the_deal and met.competitor_id not in wanted for met in standing.values()):
        raise conflict("The deal was lost to a competitor that is not among these.")
    changed = wanted != standing.keys()
    kept = []
    for values in competitors:
        met = standing.get(values["competitor_id"]) or OpportunityCompetitor(took_the_deal=False)
        changed |= change_fields(met, {"strengths": None, "weaknesses": None} | values)
        kept.append(met)
    if not changed:
        return False
    opportunity.competitors = kept
    opportunity.updated_at = utc_now()  # they are part of it: a new version
    events.opportunity_changed(session, opportunity)
    return True


def meet(session: Session, opportunity: Opportunity, competitor_id: str) -> None:
    """Have a deal meet a competitor, beside the others.

    :raises Problem: 422 for an unknown one.
    """
    if competitor_id in opportunity.competitor_ids:
        return
    if session.get(Competitor, competitor_id) is None:
        raise invalid(("competitor_id", "No such competitor."))
    if len(opportunity.competitors) >= MOST_COMPETITORS:
        raise invalid(("competitor_id", f"The deal has {MOST_COMPETITORS} others."))
    met = OpportunityCompetitor(competitor_id=competitor_id, took_the_deal=False)
    opportunity.competitors.append(met)


def _require_known(session: Session, competitors: Sequence[dict[str, Any]]) -> None:
    ids = {values["competitor_id"] for values in competitors}
    known = set(session.scalars(select(Competitor.id).where(Competitor.id.in_(ids))))
    unknown = [
        (f"competitors.{place}.competitor_id", "No such competitor.")
        for place, values in enumerate(competitors)
        if values["competitor_id"] not in known
    ]
    if unknown:
        raise invalid(*unknown)
