"""Currencies and rates as requests and answers have them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields

from crm_chassis.fields import Currency, Instant, Reference
from crm_sales.currencies.models import RATE_PLACES

_RATE = re.compile(rf"\d{{1,8}}(\.\d{{1,{RATE_PLACES}}})?", re.ASCII)


class RateValue(fields.Field[Decimal]):
    """An exchange rate, a decimal string above zero: ``"0.1284"``."""

    def __init__(self, **kwargs: Any) -> None:
        metadata = {"type": "string", "format": "decimal", "example": "0.1284"}
        super().__init__(metadata=metadata, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        return rate_text(value)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Decimal:
        if not isinstance(value, str) or not _RATE.fullmatch(value) or not Decimal(value):
            raise ValidationError(
                f'Not a rate: a decimal string above zero like "0.1284" is, with up to 8 digits '
                f"before the point and {RATE_PLACES} behind it."
            )
        return Decimal(value)


def rate_text(rate: Decimal | None) -> str | None:
    """A rate as events and answers write it."""
    return None if rate is None else f"{rate.normalize():f}"


class RateFields(Schema):
    """What a unit of a currency is worth in the base currency from a day on."""

    currency = Currency(required=True)
    valid_from = fields.Date(required=True)
    rate = RateValue(required=True)


class RateView(RateFields):
    """A rate as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    base_currency = fields.String(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class CurrencySettingsFields(Schema):
    """The base currency; null to keep amounts in their own currencies alone."""

    base_currency = Currency(required=True, allow_none=True)


class CurrencySettingsView(CurrencySettingsFields):
    """The settings as stored; of version 0 before they are first set."""

    version = fields.Integer(dump_only=True)
