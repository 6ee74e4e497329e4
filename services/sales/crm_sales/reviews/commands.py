"""What can be done with reviews."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal, forbidden
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import conflict, invalid
from crm_sales.reviews import events, queries
from crm_sales.reviews.models import Review, ReviewClosing, ReviewDeal, ReviewQuestion
from crm_sales.reviews.picking import Deal, Rules, medians, pick
from crm_sales.work_settings import queries as work_settings

WRITE = "sales.reviews.write"
_LOOK_BACK = timedelta(days=180)
_MOST_PICKED = 500
_RULES = ("stuck_days", "stuck_percent", "big_percentile")


def open_review(
    session: Session, principal: Principal, values: dict[str, Any], today: date
) -> Review:
    """Open the review of a team's week and pick its deals, at most 500, the greatest first.

    :raises Problem: 403 for a team out of reach; 409 when the week has its review; 422 for a team
        nobody has told of or a week to come.
    """
    _require_team(session, principal, values["team_id"])
    week = _monday(values.get("week", today))
    if week > today:
        raise invalid(("week", "It is yet to come."))
    settings = work_settings.current(session)
    rules = {name: values.get(name, getattr(settings, name)) for name in _RULES}
    review = Review(
        id=new_id(),
        team_id=values["team_id"],
        owner_id=principal.id,
        week=week,
        status="open",
        **rules,
    )
    _require_first(session, review)
    session.add(review)
    session.flush()
    events.review_opened(session, review)
    _pick_deals(session, review, Rules(**rules), today)
    return review


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _require_team(session: Session, principal: Principal, team_id: str) -> None:
    known = session.scalar(select(directory.teams.c.id).where(directory.teams.c.id == team_id))
    if known is None:
        raise invalid(("team_id", "No such team."))
    if team_id not in _teams_in_scope(session, principal) and principal.scope_of(WRITE) != "all":
        raise forbidden(f"{WRITE} for that team")


def _teams_in_scope(session: Session, principal: Principal) -> Sequence[str]:
    scope, own = principal.scope_of(WRITE), principal.team_id
    if own is None or scope == "own":
        return []
    return [own] if scope == "team" else session.scalars(directory.subtree(own)).all()


def _require_first(session: Session, review: Review) -> None:
    same = Review.team_id == review.team_id, Review.week == review.week
    if session.scalar(select(Review.id).where(*same)) is not None:
        raise conflict(f"The team has a review of the week of {review.week}.")


def _pick_deals(session: Session, review: Review, rules: Rules, today: date) -> None:
    now = utc_now()
    deals = queries.open_deals(session, review.team_id, review.week)
    usual = medians(queries.stage_times(session, review.team_id, now - _LOOK_BACK))
    for deal, reasons in pick(deals, rules, usual, now, today)[:_MOST_PICKED]:
        picked = _snapshot(review, deal, reasons, deal.days_in_stage(now))
        session.add(picked)
        events.deal_picked(session, picked)
    closings = [
        {
            "review_id": review.id,
            "opportunity_id": deal.id,
            "expected_close_on": deal.expected_close_on,
        }
        for deal in deals
        if deal.expected_close_on is not None
    ]
    if closings:
        session.execute(insert(ReviewClosing), closings)


def _snapshot(review: Review, deal: Deal, reasons: list[str], days: int) -> ReviewDeal:
    return ReviewDeal(
        id=new_id(),
        review_id=review.id,
        opportunity_id=deal.id,
        reasons=reasons,
        name=deal.name,
        stage=deal.stage,
        days_in_stage=days,
        amount=deal.amount,
        currency=deal.currency,
        expected_close_on=deal.expected_close_on,
        previous_close_on=deal.previous_close_on,
        owner_id=deal.owner_id,
        team_id=deal.team_id,
        status="open",
    )


def close(session: Session, review: Review) -> None:
    """End a review; its questions stay.

    :raises Problem: 409 when it is closed.
    """
    review.close(utc_now())
    events.review_closed(session, review)


def change_deal(session: Session, deal: ReviewDeal, changes: dict[str, Any]) -> None:
    """Write down what came of talking about a deal."""
    if change_fields(deal, changes):
        events.deal_changed(session, deal)


def ask(
    session: Session, principal: Principal, deal: ReviewDeal, values: dict[str, Any]
) -> ReviewQuestion:
    """Ask something about a deal, of its owner or of somebody else.

    :raises Problem: 422 for somebody nobody has told of, or when nobody is to answer.
    """
    owner_id = values.get("owner_id", deal.owner_id)
    if owner_id is None:
        raise invalid(("owner_id", "The deal has no owner: say who is to answer."))
    teams = directory.active_users(session, [owner_id])
    if owner_id not in teams:
        raise invalid(("owner_id", "No such user."))
    question = ReviewQuestion(
        id=new_id(),
        review_id=deal.review_id,
        deal_id=deal.id,
        opportunity_id=deal.opportunity_id,
        text=values["text"],
        asked_by=principal.id,
        owner_id=owner_id,
        team_id=teams[owner_id],
        due_on=values.get("due_on"),
        status="open",
    )
    session.add(question)
    events.question_asked(session, question)
    return question


def answer(session: Session, principal: Principal, question: ReviewQuestion, text: str) -> None:
    """Answer a question.

    :raises Problem: 409 when it is not open.
    """
    question.give_answer(text, principal.id, utc_now())
    events.question_answered(session, question)


def drop(session: Session, question: ReviewQuestion) -> None:
    """Have a question need no answer any more.

    :raises Problem: 409 when it is not open.
    """
    question.drop()
    events.question_dropped(session, question)
