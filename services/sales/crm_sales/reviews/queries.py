"""What is asked about reviews."""

from __future__ import annotations

from datetime import date, datetime

from sqlalchemy import Select, or_, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import current_principal, visible
from crm_chassis.problems import not_found
from crm_sales import related
from crm_sales.opportunities.models import Opportunity, StageEntry
from crm_sales.reviews.models import Review, ReviewClosing, ReviewDeal, ReviewQuestion
from crm_sales.reviews.picking import Deal, StageKey

MOST_DEALS = 5_000
_MOST_MOVES = 20_000


def visible_deals(permission: str) -> Select[tuple[ReviewDeal]]:
    """The deals of visible reviews, as far as the deals themselves are visible."""
    review = visible(select(Review.id), Review, permission)
    return select(ReviewDeal).where(
        ReviewDeal.review_id.in_(review),
        related.visible_id("opportunity", ReviewDeal.opportunity_id),
    )


def visible_deal(session: Session, deal_id: object, permission: str) -> ReviewDeal:
    """One deal of a review.

    :raises Problem: 404, whether it is not there or not visible.
    """
    statement = visible_deals(permission).where(ReviewDeal.id == str(deal_id))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise not_found("deal of a review")
    return found


def visible_questions(permission: str) -> Select[tuple[ReviewQuestion]]:
    """The questions that one asked or is to answer, and those about deals that one may see."""
    me = current_principal().id
    review = visible(select(Review.id), Review, permission)
    return select(ReviewQuestion).where(
        or_(
            ReviewQuestion.owner_id == me,
            ReviewQuestion.asked_by == me,
            ReviewQuestion.review_id.in_(review)
            & related.visible_id("opportunity", ReviewQuestion.opportunity_id),
        )
    )


def visible_question(session: Session, question_id: object, permission: str) -> ReviewQuestion:
    """One question.

    :raises Problem: 404, whether it is not there or not visible.
    """
    statement = visible_questions(permission).where(ReviewQuestion.id == str(question_id))
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise not_found("question")
    return found


def open_deals(session: Session, team_id: str, week: date) -> list[Deal]:
    """The open deals of a team and those below it, with what the review before knew of them."""
    before = (
        select(Review.id)
        .where(Review.team_id == team_id, Review.week < week)
        .order_by(Review.week.desc())
        .limit(1)
        .scalar_subquery()
    )
    statement = (
        select(
            Opportunity.id,
            Opportunity.name,
            Opportunity.pipeline,
            Opportunity.stage,
            Opportunity.stage_since,
            Opportunity.amount,
            Opportunity.currency,
            Opportunity.expected_close_on,
            ReviewClosing.expected_close_on.label("previous_close_on"),
            Opportunity.owner_id,
            Opportunity.team_id,
        )
        .outerjoin(
            ReviewClosing,
            (ReviewClosing.opportunity_id == Opportunity.id) & (ReviewClosing.review_id == before),
        )
        .where(
            Opportunity.team_id.in_(directory.subtree(team_id)), Opportunity.stage_type == "open"
        )
        .order_by(Opportunity.amount.desc(), Opportunity.id)
        .limit(MOST_DEALS)
    )
    return [Deal(**row._mapping) for row in session.execute(statement)]


def stage_times(session: Session, team_id: str, since: datetime) -> list[tuple[StageKey, int]]:
    """How long the team's deals were in the stages that they have left lately."""
    statement = (
        select(Opportunity.pipeline, StageEntry.from_stage, StageEntry.seconds)
        .join(Opportunity, Opportunity.id == StageEntry.opportunity_id)
        .where(
            Opportunity.team_id.in_(directory.subtree(team_id)),
            StageEntry.entered_at >= since,
            StageEntry.seconds.is_not(None),
        )
        .limit(_MOST_MOVES)
    )
    rows = session.execute(statement)
    return [((pipeline, stage), seconds) for pipeline, stage, seconds in rows]
