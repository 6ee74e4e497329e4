"""``/v1/reviews``, ``/v1/review-deals`` and ``/v1/review-questions``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Reference
from crm_chassis.paging import Listing, Page, equals, page_schema
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.reviews import commands, queries
from crm_sales.reviews.models import Review, ReviewDeal, ReviewQuestion
from crm_sales.reviews.schemas import (
    Answer,
    NewQuestion,
    NewReview,
    QuestionView,
    ReviewDealFields,
    ReviewDealView,
    ReviewView,
)

READ, WRITE = "sales.reviews.read", commands.WRITE

REVIEWS = Listing(
    Review,
    sorts={"week": Review.week},
    default="-week",
    filters={"team_id": equals(Review.team_id, Reference), "status": equals(Review.status)},
)
DEALS = Listing(
    ReviewDeal,
    sorts={"amount": ReviewDeal.amount},
    default="-amount",
    filters={
        "status": equals(ReviewDeal.status),
        "owner_id": equals(ReviewDeal.owner_id, Reference),
    },
)
QUESTIONS = Listing(
    ReviewQuestion,
    sorts={"created_at": ReviewQuestion.created_at},
    default="created_at",
    filters={
        "status": equals(ReviewQuestion.status),
        "owner_id": equals(ReviewQuestion.owner_id, Reference),
        "review_id": equals(ReviewQuestion.review_id, Reference),
        "opportunity_id": equals(ReviewQuestion.opportunity_id, Reference),
    },
)

blueprint = Blueprint("reviews", __name__, url_prefix="/v1", description="Weekly reviews")


@blueprint.route("/reviews")
class Reviews(MethodView):
    @reads(READ)
    @blueprint.arguments(REVIEWS.schema, location="query")
    @blueprint.response(200, page_schema(ReviewView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Review]:
        """List reviews, the latest week first."""
        return REVIEWS.page(session, visible(select(Review), Review, READ), query)

    @writes(WRITE)
    @blueprint.arguments(NewReview)
    @blueprint.response(201, ReviewView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Open the review of a team's week, and pick the deals that need a look."""
        principal = current_principal()
        review = commands.open_review(session, principal, values, business_day())
        return versioned(session, review)


@blueprint.route("/reviews/<uuid:review_id>")
class ReviewById(MethodView):
    @reads(READ)
    @blueprint.response(200, ReviewView)
    def get(self, review_id: object, session: Session) -> Any:
        """Read a review."""
        return versioned(session, visible_one(session, Review, review_id, READ))


@blueprint.route("/reviews/<uuid:review_id>/close")
class ReviewEnd(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, ReviewView)
    def post(self, review_id: object, session: Session) -> Any:
        """End a review; its questions stay."""
        review = visible_to_change(session, Review, review_id, WRITE)
        commands.close(session, review)
        return versioned(session, review)


@blueprint.route("/reviews/<uuid:review_id>/deals")
class ReviewDeals(MethodView):
    @reads(READ)
    @blueprint.arguments(DEALS.schema, location="query")
    @blueprint.response(200, page_schema(ReviewDealView))
    def get(self, query: dict[str, Any], review_id: object, session: Session) -> Page[ReviewDeal]:
        """List the deals of a review, the greatest first."""
        review = visible_one(session, Review, review_id, READ)
        deals = queries.visible_deals(READ).where(ReviewDeal.review_id == review.id)
        return DEALS.page(session, deals, query)


@blueprint.route("/review-deals/<uuid:deal_id>")
class ReviewDealById(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(ReviewDealFields)
    @blueprint.response(200, ReviewDealView)
    def patch(self, changes: dict[str, Any], deal_id: object, session: Session) -> Any:
        """Write down what came of talking about a deal."""
        deal = queries.visible_deal(session, deal_id, WRITE)
        check_version(deal)
        commands.change_deal(session, deal, changes)
        return versioned(session, deal)


@blueprint.route("/review-deals/<uuid:deal_id>/questions")
class DealQuestions(MethodView):
    @writes(READ)
    @blueprint.arguments(NewQuestion)
    @blueprint.response(201, QuestionView)
    def post(self, values: dict[str, Any], deal_id: object, session: Session) -> Any:
        """Ask something about a deal; whoever reads the review may."""
        deal = queries.visible_deal(session, deal_id, READ)
        return versioned(session, commands.ask(session, current_principal(), deal, values))


@blueprint.route("/review-questions")
class Questions(MethodView):
    @reads(READ)
    @blueprint.arguments(QUESTIONS.schema, location="query")
    @blueprint.response(200, page_schema(QuestionView))
    def get(self, query: dict[str, Any], session: Session) -> Page[ReviewQuestion]:
        """List questions, oldest first."""
        return QUESTIONS.page(session, queries.visible_questions(READ), query)


@blueprint.route("/review-questions/<uuid:question_id>/answer")
class QuestionAnswer(MethodView):
    @writes(READ, if_match=True)
    @blueprint.arguments(Answer)
    @blueprint.response(200, QuestionView)
    def put(self, values: dict[str, Any], question_id: object, session: Session) -> Any:
        """Answer a question; whoever sees it may."""
        question = queries.visible_question(session, question_id, READ)
        check_version(question)
        commands.answer(session, current_principal(), question, values["answer"])
        return versioned(session, question)


@blueprint.route("/review-questions/<uuid:question_id>/drop")
class QuestionDrop(MethodView):
    @writes(READ, if_match=True)
    @blueprint.response(200, QuestionView)
    def post(self, question_id: object, session: Session) -> Any:
        """Have a question need no answer any more."""
        question = queries.visible_question(session, question_id, READ)
        check_version(question)
        commands.drop(session, question)
        return versioned(session, question)
