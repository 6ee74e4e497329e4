"""Opportunities as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.opportunities.models import STAGE_TYPES

_QUANTITY = validate.Range(0, 10**9)


class OpportunityFields(Schema):
    """What a client says of an opportunity.

    Without an amount, it is worth its product's list price times the quantity.
    """

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    product_id = Reference(allow_none=True)
    campaign_id = Reference(allow_none=True)
    source = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    amount = MoneyAmount()
    currency = Currency()
    quantity = fields.Integer(strict=True, validate=_QUANTITY)
    opened_on = fields.Date(allow_none=True)
    expected_close_on = fields.Date(allow_none=True)


class NewOpportunity(OpportunityFields):
    """An opportunity to open."""

    stage = fields.String(validate=validate.Length(1, 64))


class OpportunityView(OpportunityFields):
    """An opportunity as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    lead_id = Reference(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    pipeline = fields.String(dump_only=True)
    stage = fields.String(dump_only=True)
    stage_type = fields.String(dump_only=True, validate=validate.OneOf(STAGE_TYPES))
    stage_since = Instant(dump_only=True)
    probability = fields.Integer(dump_only=True)
    closed_on = fields.Date(dump_only=True, allow_none=True)
    lost_reason = fields.String(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class StageMove(Schema):
    """The open stage an opportunity goes to."""

    stage = fields.String(required=True, validate=validate.Length(1, 64))


class Win(Schema):
    """The end of a deal that was won; today and at the present amount unless said otherwise."""

    closed_on = fields.Date()
    amount = MoneyAmount()


class Loss(Schema):
    """The end of a deal that was lost; today unless said otherwise."""

    reason = Text(100, required=True)
    closed_on = fields.Date()


class Reopening(Schema):
    """Where a closed deal is taken up again; the first stage unless said otherwise."""

    stage = fields.String(validate=validate.Length(1, 64))


class StageEntryView(Schema):
    """One line of the stage log."""

    from_stage = fields.String(allow_none=True)
    to_stage = fields.String()
    seconds = fields.Integer(allow_none=True)
    entered_at = Instant()
    actor = fields.String()


class StageView(Schema):
    """A stage of the pipeline."""

    pipeline = fields.String()
    key = fields.String()
    name = fields.String()
    position = fields.Integer()
    type = fields.String(validate=validate.OneOf(STAGE_TYPES))
    probability = fields.Integer()


class OpportunityRow(Schema):
    """An opportunity as a row of a file has it.

    Account, product, campaign and owner go by external id or name. The row says the deal as it
    stands, with the days on which it was opened, came into its stage and was closed.
    """

    external_id = Text(200)
    name = Text(200)
    account = Text(200)
    product = Text(200)
    campaign = Text(200)
    owner = Text(200)
    source = Text(100)
    stage = fields.String(validate=validate.Length(1, 64))
    stage_since = fields.Date()
    amount = MoneyAmount()
    currency = Currency()
    quantity = fields.Integer(validate=_QUANTITY)
    opened_on = fields.Date()
    expected_close_on = fields.Date()
    closed_on = fields.Date()
    lost_reason = Text(100)
