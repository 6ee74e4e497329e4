"""Activities as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_sales.activities.models import KINDS

RELATED = ("lead", "opportunity", "account", "contact")


class ActivityFields(Schema):
    """What a client says of an activity."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    subject = Text(200, required=True)
    notes = Text(4000, allow_none=True)
    occurred_at = Instant()
    minutes = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 24 * 60))
    outcome = Text(100, allow_none=True)
    related_type = fields.String(required=True, validate=validate.OneOf(RELATED))
    related_id = Reference(required=True)
    contact_id = Reference(metadata={"description": "With whom, where that is another contact."})
    owner_id = Reference(metadata={"description": "Who did it, where that is somebody else."})


class ActivityView(ActivityFields):
    """An activity as stored."""

    id = Reference(dump_only=True)
    account_id = Reference(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
