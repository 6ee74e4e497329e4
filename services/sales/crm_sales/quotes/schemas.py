"""Quotes as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.fields import Percent, Quantity
from crm_sales.quotes.models import STATUSES

_MOST_LINES = 500
_NOTHING = Decimal(0)


class QuoteLineFields(Schema):
    """What is offered: a product, or something that is only named. A product's list price holds
    unless another is given."""

    product_id = Reference(allow_none=True)
    product_name = Text(200)
    quantity = Quantity(load_default=Decimal(1))
    unit_price = MoneyAmount(least=_NOTHING)
    discount_percent = Percent(load_default=_NOTHING)
    tax_rate = Percent(load_default=_NOTHING)


class QuoteLineView(QuoteLineFields):
    """A line with its amounts."""

    id = Reference(dump_only=True)
    subtotal = MoneyAmount(dump_only=True)
    discount = MoneyAmount(dump_only=True)
    tax = MoneyAmount(dump_only=True)
    total = MoneyAmount(dump_only=True)


class QuoteChanges(Schema):
    """What can be changed of a draft; ``lines`` replaces them all."""

    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    valid_until = fields.Date()
    terms = Text(4000, allow_none=True)
    lines = fields.List(fields.Nested(QuoteLineFields), validate=validate.Length(0, _MOST_LINES))


class QuoteFields(QuoteChanges):
    """What a client says of a new quote.

    Account, contact and currency are the opportunity's unless said otherwise; it is valid for 30
    days unless said otherwise.
    """

    opportunity_id = Reference(allow_none=True)
    currency = Currency()


class QuoteView(Schema):
    """A quote as stored."""

    id = Reference()
    version = fields.Integer()
    number = fields.String()
    version_number = fields.Integer()
    opportunity_id = Reference(allow_none=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    status = fields.String(validate=validate.OneOf(STATUSES))
    currency = fields.String()
    subtotal = MoneyAmount()
    discount = MoneyAmount()
    tax = MoneyAmount()
    total = MoneyAmount()
    valid_until = fields.Date()
    terms = fields.String(allow_none=True)
    sent_at = Instant(allow_none=True)
    decided_on = fields.Date(allow_none=True)
    reject_reason = fields.String(allow_none=True)
    superseded_by_id = Reference(allow_none=True)
    order_id = Reference(allow_none=True)
    created_at = Instant()
    updated_at = Instant()


class QuoteDetail(QuoteView):
    """A quote with its lines."""

    lines = fields.List(fields.Nested(QuoteLineView))


class Acceptance(Schema):
    """When the customer accepted; today unless said otherwise."""

    accepted_on = fields.Date()


class Rejection(Schema):
    """Why the customer does not want it, and since when; today unless said otherwise."""

    reason = Text(200, required=True)
    rejected_on = fields.Date()
