"""Assignment rules as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_sales.assignment.models import STRATEGIES

_MOST = 100
_SCORE = validate.Range(0, 1000)


def _texts() -> fields.List:
    return fields.List(Text(100), validate=validate.Length(max=_MOST), load_default=list)


class AssignmentRuleFields(Schema):
    """What a client says of a rule; a condition left out or empty takes every lead."""

    name = Text(200, required=True)
    position = fields.Integer(strict=True, validate=validate.Range(1, 10_000), load_default=100)
    active = fields.Boolean(load_default=True)
    sources = _texts()
    regions = _texts()
    industries = _texts()
    campaign_ids = fields.List(Reference(), validate=validate.Length(max=_MOST), load_default=list)
    score_from = fields.Integer(strict=True, allow_none=True, validate=_SCORE)
    score_to = fields.Integer(strict=True, allow_none=True, validate=_SCORE)
    strategy = fields.String(required=True, validate=validate.OneOf(STRATEGIES))
    members = fields.List(Reference(), validate=validate.Length(max=_MOST), load_default=list)
    region_members = fields.Dict(
        Text(100),
        Reference(),
        validate=validate.Length(max=_MOST),
        load_default=dict,
        metadata={"description": "For the strategy region: the region to the id of its user."},
    )


class AssignmentRuleView(AssignmentRuleFields):
    """A rule as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
