"""Products as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text


class ProductFields(Schema):
    """What a client says of a product."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    series = Text(100, allow_none=True)
    list_price = MoneyAmount(least=Decimal(0), required=True)
    currency = Currency(required=True)
    active = fields.Boolean()


class ProductView(ProductFields):
    """A product as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ProductRow(ProductFields):
    """A product as a row of a file has it; a new one without a currency has the base currency."""

    currency = Currency()
