"""Leads as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Email, Instant, MoneyAmount, Phone, Reference, Text
from crm_sales.leads.models import STATUSES

PHONE_RIGHT = "sales.leads.phone"
_SCORE = validate.Range(0, 1000)


class LeadFields(Schema):
    """What a client says of a lead."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    company = Text(200, allow_none=True)
    job_title = Text(100, allow_none=True)
    phone = Phone(right=PHONE_RIGHT, allow_none=True)
    email = Email(allow_none=True)
    industry = Text(100, allow_none=True)
    region = Text(100, allow_none=True)
    source = Text(100, allow_none=True)
    score = fields.Integer(strict=True, validate=_SCORE)
    campaign_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    created_on = fields.Date()


class LeadView(LeadFields):
    """A lead as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    status = fields.String(dump_only=True, validate=validate.OneOf(STATUSES))
    status_since = Instant(dump_only=True)
    reminded_at = Instant(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    converted_on = fields.Date(dump_only=True, allow_none=True)
    account_id = Reference(dump_only=True, allow_none=True)
    contact_id = Reference(dump_only=True, allow_none=True)
    opportunity_id = Reference(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class LeadMove(Schema):
    """Where a lead goes."""

    status = fields.String(
        required=True, validate=validate.OneOf([s for s in STATUSES if s != "converted"])
    )


class ConversionFields(Schema):
    """What a client says of a conversion; all of it can be left to the lead."""

    account_id = Reference(metadata={"description": "An account that is there already."})
    contact_id = Reference(metadata={"description": "A contact that is there already."})
    account_name = Text(200)
    opportunity_name = Text(200)
    product_id = Reference()
    amount = MoneyAmount()
    currency = Currency()
    quantity = fields.Integer(strict=True, validate=validate.Range(1, 10**9))
    expected_close_on = fields.Date()
    converted_on = fields.Date(metadata={"description": "Today unless said otherwise."})


class ConversionView(Schema):
    """What a lead became."""

    lead_id = Reference(attribute="id")
    account_id = Reference()
    contact_id = Reference()
    opportunity_id = Reference()
    converted_on = fields.Date()


class LeadRow(Schema):
    """A lead as a row of a file has it; owner and campaign go by external id or name."""

    external_id = Text(200)
    name = Text(200, required=True)
    company = Text(200)
    job_title = Text(100)
    phone = Phone(right=PHONE_RIGHT)
    email = Email()
    industry = Text(100)
    region = Text(100)
    source = Text(100)
    score = fields.Integer(validate=_SCORE)
    status = fields.String(validate=validate.OneOf([s for s in STATUSES if s != "converted"]))
    status_since = fields.Date()
    campaign = Text(200)
    owner = Text(200)
    created_on = fields.Date()
