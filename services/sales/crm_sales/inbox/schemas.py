"""The inbox as answers have it."""

from __future__ import annotations

from zoneinfo import available_timezones

from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.fields import Instant, MoneyAmount, Reference
from crm_sales.inbox.models import MOST_COUNTED


def _time_zone(name: str) -> None:
    """Not a ``OneOf``, which would list all six hundred of them in the OpenAPI document."""
    if name not in available_timezones():
        raise ValidationError("Not a time zone.")


class InboxQuery(Schema):
    """How much of each section is wanted, and where the day of the one who asks is."""

    limit = fields.Integer(load_default=10, validate=validate.Range(1, 50))
    time_zone = fields.String(
        validate=_time_zone,
        metadata={"description": "Where today is today; where the business is unless said."},
    )


class WaitingLead(Schema):
    id = Reference()
    name = fields.String()
    company = fields.String(allow_none=True)
    source = fields.String(allow_none=True)
    score = fields.Integer()
    status = fields.String()
    created_at = Instant()
    reminded_at = Instant(allow_none=True)


class WaitingTask(Schema):
    id = Reference()
    title = fields.String()
    kind = fields.String()
    priority = fields.String()
    due_at = Instant()
    due_on = fields.Date()
    related_type = fields.String(allow_none=True)
    related_id = Reference(allow_none=True)
    account_id = Reference(allow_none=True)


class WaitingFollowUp(Schema):
    opportunity_id = Reference()
    name = fields.String()
    stage = fields.String()
    amount = MoneyAmount()
    currency = fields.String()
    account_id = Reference(allow_none=True)
    last_activity_at = Instant(allow_none=True)
    due_since = Instant(attribute="due_told_at")


class ExpiringContract(Schema):
    id = Reference()
    number = fields.String()
    title = fields.String()
    account_id = Reference(allow_none=True)
    amount = MoneyAmount()
    currency = fields.String()
    ends_on = fields.Date()


class UnpaidOrder(Schema):
    id = Reference()
    number = fields.String()
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    total = MoneyAmount()
    paid_amount = MoneyAmount()
    currency = fields.String()
    placed_at = Instant()


class UnreadMention(Schema):
    id = Reference()
    comment_id = Reference()
    related_type = fields.String()
    related_id = Reference()
    author_id = Reference()
    text = fields.String()
    created_at = Instant()


class OpenQuestion(Schema):
    id = Reference()
    review_id = Reference()
    opportunity_id = Reference()
    text = fields.String()
    asked_by = Reference()
    due_on = fields.Date(allow_none=True)
    created_at = Instant()


def _section(item: type[Schema]) -> type[Schema]:
    count = fields.Integer(metadata={"description": f"Of all, at most {MOST_COUNTED}."})
    members = {"count": count, "items": fields.List(fields.Nested(item))}
    return Schema.from_dict(members, name=f"{item.__name__}s")


_LEADS, _TASKS = _section(WaitingLead), _section(WaitingTask)


class Inbox(Schema):
    """What waits for the one who asks; a section without the permission for it is null."""

    leads_today = fields.Nested(_LEADS, allow_none=True)
    leads_waiting = fields.Nested(_LEADS, allow_none=True)
    tasks_overdue = fields.Nested(_TASKS, allow_none=True)
    tasks_today = fields.Nested(_TASKS, allow_none=True)
    follow_ups = fields.Nested(_section(WaitingFollowUp), allow_none=True)
    contracts_expiring = fields.Nested(_section(ExpiringContract), allow_none=True)
    orders_unpaid = fields.Nested(_section(UnpaidOrder), allow_none=True)
    mentions = fields.Nested(_section(UnreadMention), allow_none=True)
    questions = fields.Nested(_section(OpenQuestion), allow_none=True)
