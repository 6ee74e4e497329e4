"""Targets as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.targets.models import SCOPES


class TargetFields(Schema):
    """What a client says of a target."""

    external_id = Text(200, allow_none=True)
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    member_id = Reference(required=True)
    month = fields.String(
        required=True,
        validate=validate.Regexp(r"\d{4}-(0[1-9]|1[0-2])\Z", error="Not a month like 2026-01."),
    )
    amount = MoneyAmount(least=Decimal(0), required=True)
    quantity = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 10**9))
    currency = Currency(required=True)


class TargetView(TargetFields):
    """A target as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class TargetRow(Schema):
    """A target as a row of a file has it; the member goes by external id or name."""

    external_id = Text(200)
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    member = Text(200, required=True)
    month = fields.String(required=True, validate=validate.Regexp(r"\d{4}-(0[1-9]|1[0-2])\Z"))
    amount = MoneyAmount(least=Decimal(0), required=True)
    quantity = fields.Integer(validate=validate.Range(0, 10**9))
    currency = Currency(load_default="USD")
