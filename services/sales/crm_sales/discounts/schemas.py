"""Discount limits as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields

from crm_chassis.fields import Instant, MoneyAmount, Reference


class Percent(MoneyAmount):
    """An exact percentage from 0 to 100, a decimal string: ``"12.5"``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(least=Decimal(0), **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        percent = super()._deserialize(value, attr, data, **kwargs)
        if percent > 100:
            raise ValidationError("Must be 100 or less.")
        return percent


class LimitFields(Schema):
    """The most that a role may let off a line; null for no limit."""

    max_percent = Percent(required=True, allow_none=True)


class LimitView(LimitFields):
    """A limit as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    role = fields.String(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
