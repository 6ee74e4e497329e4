"""Price lists as requests and answers have them."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text

_MOST_BREAKS = 20


class PriceListFields(Schema):
    """What a client says of a price list."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    currency = Currency(required=True)
    valid_from = fields.Date(required=True)
    valid_to = fields.Date(allow_none=True)
    team_id = Reference(allow_none=True)
    segment = Text(100, allow_none=True)
    active = fields.Boolean()


class PriceListView(PriceListFields):
    """A price list as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class PriceBreak(Schema):
    """What a unit costs from a quantity on."""

    from_quantity = MoneyAmount(least=Decimal(0), load_default=Decimal(0))
    unit_price = MoneyAmount(least=Decimal(0), required=True)


class ProductPrices(Schema):
    """All prices of one product in a price list; none to take it from the list."""

    prices = fields.List(
        fields.Nested(PriceBreak), required=True, validate=validate.Length(0, _MOST_BREAKS)
    )

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        times = Counter(price["from_quantity"] for price in values["prices"])
        twice = {
            place: {"from_quantity": ["Another price has this quantity."]}
            for place, price in enumerate(values["prices"])
            if times[price["from_quantity"]] > 1
        }
        if twice:
            raise ValidationError({"prices": twice})


class PriceView(PriceBreak):
    """A price as stored."""

    id = Reference(dump_only=True)
    product_id = Reference(dump_only=True)


class PriceRow(Schema):
    """A price as a row of a file has it: list and product by external id or name.

    Without a quantity it is the price of any.
    """

    price_list = Text(200, required=True)
    product = Text(200, required=True)
    from_quantity = MoneyAmount(least=Decimal(0))
    unit_price = MoneyAmount(least=Decimal(0), required=True)
