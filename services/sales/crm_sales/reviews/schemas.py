"""Reviews as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, MoneyAmount, Reference, Text
from crm_sales.reviews.models import DEAL_STATUSES, QUESTION_STATUSES, REASONS, REVIEW_STATUSES


class NewReview(Schema):
    """A review to open; the rules are those of the settings unless said otherwise."""

    team_id = Reference(required=True)
    week = fields.Date(metadata={"description": "A day of the week; this week unless said."})
    stuck_days = fields.Integer(strict=True, validate=validate.Range(1, 365))
    stuck_percent = fields.Integer(strict=True, validate=validate.Range(100, 1000))
    big_percentile = fields.Integer(strict=True, validate=validate.Range(1, 99))


class ReviewView(Schema):
    """A review as stored."""

    id = Reference()
    version = fields.Integer()
    team_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    week = fields.Date()
    status = fields.String(validate=validate.OneOf(REVIEW_STATUSES))
    stuck_days = fields.Integer()
    stuck_percent = fields.Integer()
    big_percentile = fields.Integer()
    closed_at = Instant(allow_none=True)
    created_at = Instant()


class ReviewDealView(Schema):
    """A deal as it stood when it was picked."""

    id = Reference()
    version = fields.Integer()
    review_id = Reference()
    opportunity_id = Reference()
    reasons = fields.List(fields.String(validate=validate.OneOf(REASONS)))
    name = fields.String()
    stage = fields.String()
    days_in_stage = fields.Integer()
    amount = MoneyAmount()
    currency = fields.String()
    expected_close_on = fields.Date(allow_none=True)
    previous_close_on = fields.Date(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    status = fields.String(validate=validate.OneOf(DEAL_STATUSES))
    note = fields.String(allow_none=True)


class ReviewDealFields(Schema):
    """What came of talking about a deal."""

    status = fields.String(validate=validate.OneOf(DEAL_STATUSES))
    note = Text(4000, allow_none=True)


class NewQuestion(Schema):
    """A question about a deal; its owner answers it unless somebody else is named."""

    text = Text(1000, required=True)
    owner_id = Reference()
    due_on = fields.Date(allow_none=True)


class Answer(Schema):
    """The answer to a question."""

    answer = Text(4000, required=True)


class QuestionView(Schema):
    """A question as stored."""

    id = Reference()
    version = fields.Integer()
    review_id = Reference()
    deal_id = Reference()
    opportunity_id = Reference()
    text = fields.String()
    asked_by = Reference()
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    due_on = fields.Date(allow_none=True)
    status = fields.String(validate=validate.OneOf(QUESTION_STATUSES))
    answer = fields.String(allow_none=True)
    answered_by = Reference(allow_none=True)
    answered_at = Instant(allow_none=True)
    created_at = Instant()
