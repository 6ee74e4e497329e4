"""Campaigns as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_marketing.campaigns.models import STATUSES

_STATUS = validate.OneOf(STATUSES)


class CampaignFields(Schema):
    """What a client says of a campaign; an amount needs its currency."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    channel = Text(64, allow_none=True)
    budget = MoneyAmount(least=Decimal(0), allow_none=True)
    actual_cost = MoneyAmount(least=Decimal(0), allow_none=True)
    currency = Currency(allow_none=True)
    starts_on = fields.Date(allow_none=True)
    ends_on = fields.Date(allow_none=True)
    owner_id = Reference(allow_none=True)


class CampaignView(CampaignFields):
    """A campaign as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    status = fields.String(dump_only=True, validate=_STATUS)
    team_id = Reference(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class CampaignMove(Schema):
    """Where a campaign goes."""

    status = fields.String(required=True, validate=_STATUS)


class CampaignRow(Schema):
    """A campaign as a row of a file has it; its owner goes by external id or name."""

    external_id = Text(200)
    name = Text(200, required=True)
    channel = Text(64)
    status = fields.String(validate=_STATUS)
    budget = MoneyAmount(least=Decimal(0))
    actual_cost = MoneyAmount(least=Decimal(0))
    currency = Currency()
    starts_on = fields.Date()
    ends_on = fields.Date()
    owner = Text(200)
