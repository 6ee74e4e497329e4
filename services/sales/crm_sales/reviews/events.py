"""What is told of reviews and their questions."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text, instant_text
from crm_chassis.outbox import record
from crm_sales.days import day_text
from crm_sales.reviews.models import Review, ReviewDeal, ReviewQuestion


def review_state(review: Review) -> dict[str, Any]:
    return {
        "id": review.id,
        "team_id": review.team_id,
        "owner_id": review.owner_id,
        "week": review.week.isoformat(),
        "status": review.status,
    }


def deal_state(deal: ReviewDeal) -> dict[str, Any]:
    return {
        "id": deal.id,
        "review_id": deal.review_id,
        "opportunity_id": deal.opportunity_id,
        "reasons": deal.reasons,
        "days_in_stage": deal.days_in_stage,
        "amount": decimal_text(deal.amount),
        "currency": deal.currency,
        "owner_id": deal.owner_id,
        "team_id": deal.team_id,
        "status": deal.status,
    }


def question_state(question: ReviewQuestion) -> dict[str, Any]:
    return {
        "id": question.id,
        "review_id": question.review_id,
        "opportunity_id": question.opportunity_id,
        "text": question.text,
        "asked_by": question.asked_by,
        "owner_id": question.owner_id,
        "team_id": question.team_id,
        "due_on": day_text(question.due_on),
        "status": question.status,
        "answer": question.answer,
        "answered_at": instant_text(question.answered_at),
    }


def review_opened(session: Session, review: Review) -> None:
    record(session, "crm.sales.review.opened.v1", review, review_state)


def review_closed(session: Session, review: Review) -> None:
    record(session, "crm.sales.review.closed.v1", review, review_state)


def deal_picked(session: Session, deal: ReviewDeal) -> None:
    record(session, "crm.sales.review_deal.picked.v1", deal, deal_state)


def deal_changed(session: Session, deal: ReviewDeal) -> None:
    record(session, "crm.sales.review_deal.changed.v1", deal, deal_state)


def question_asked(session: Session, question: ReviewQuestion) -> None:
    record(session, "crm.sales.question.asked.v1", question, question_state)


def question_answered(session: Session, question: ReviewQuestion) -> None:
    record(session, "crm.sales.question.answered.v1", question, question_state)


def question_dropped(session: Session, question: ReviewQuestion) -> None:
    record(session, "crm.sales.question.dropped.v1", question, question_state)
