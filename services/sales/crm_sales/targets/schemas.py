"""Targets as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.targets.models import MEASURES, SCOPES

_MONTH = validate.Regexp(r"\d{4}-(0[1-9]|1[0-2])\Z", error="Not a month like 2026-01.")
_OF_COMPANY = "The company has no member."
_OF_MEMBER = "Needed for a team or a person."


class TargetFields(Schema):
    """What a client says of a target; the company's has no member."""

    external_id = Text(200, allow_none=True)
    scope = fields.String(required=True, validate=validate.OneOf(SCOPES))
    measure = fields.String(load_default="sales", validate=validate.OneOf(MEASURES))
    member_id = Reference(load_default=None, allow_none=True)
    month = fields.String(required=True, validate=_MONTH)
    amount = MoneyAmount(least=Decimal(0), required=True)
    quantity = fields.Integer(strict=True, allow_none=True, validate=validate.Range(0, 10**9))
    currency = Currency(required=True)

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        _check_member(values, "member_id")


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
    measure = fields.String(validate=validate.OneOf(MEASURES))
    member = Text(200)
    month = fields.String(required=True, validate=_MONTH)
    amount = MoneyAmount(least=Decimal(0), required=True)
    quantity = fields.Integer(validate=validate.Range(0, 10**9))
    currency = Currency()

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        _check_member(values, "member")


def _check_member(values: dict[str, Any], field: str) -> None:
    has_member = values.get(field) is not None
    if values["scope"] == "company" and has_member:
        raise ValidationError(_OF_COMPANY, field)
    if values["scope"] != "company" and not has_member:
        raise ValidationError(_OF_MEMBER, field)
