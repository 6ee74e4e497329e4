"""Orders as requests and answers have them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.fields import Day, Percent, Quantity
from crm_sales.orders.models import RETURN_STATUSES, STATUSES

_MOST_LINES = 200
_MOST_INSTALMENTS = 120
_ZERO = Decimal(0)


class OrderLineFields(Schema):
    """What is ordered; without a price it has its product's list price.

    The tax rate is a percentage of what is left after the discount.
    """

    product_id = Reference(allow_none=True)
    product_name = Text(200, allow_none=True, metadata={"description": "Needed without a product."})
    quantity = Quantity(required=True)
    unit_price = MoneyAmount(least=_ZERO)
    discount_percent = Percent(load_default=_ZERO)
    tax_rate = Percent(load_default=_ZERO)


class OrderLineView(Schema):
    """A line as stored."""

    id = Reference()
    product_id = Reference(allow_none=True)
    product_name = fields.String(allow_none=True)
    quantity = Quantity()
    unit_price = MoneyAmount()
    discount_percent = Percent()
    tax_rate = Percent()
    subtotal = MoneyAmount()
    discount = MoneyAmount()
    tax = MoneyAmount()
    total = MoneyAmount()
    returned_quantity = Quantity()
    returned_amount = MoneyAmount()


class Instalment(Schema):
    """A part of what is to be paid, and the last day on which it is in time."""

    due_on = Day(required=True)
    amount = MoneyAmount(required=True, least=Decimal("0.0001"))


class PaymentPlan(Schema):
    """The instalments of an order, or into how many it is split, a month apart."""

    instalments = fields.List(
        fields.Nested(Instalment), validate=validate.Length(1, _MOST_INSTALMENTS)
    )
    parts = fields.Integer(strict=True, validate=validate.Range(1, _MOST_INSTALMENTS))
    first_due_on = Day()

    @validates_schema(skip_on_field_errors=True)
    def _one_or_the_other(self, plan: Mapping[str, Any], **_: Any) -> None:
        if "instalments" in plan:
            for name in ("parts", "first_due_on"):
                if name in plan:
                    raise ValidationError("The instalments say it.", name)
            return
        for name in ("parts", "first_due_on"):
            if name not in plan:
                raise ValidationError("Needed without instalments.", name)


class OrderFields(Schema):
    """What can be changed of an order."""

    external_id = Text(200, allow_none=True)
    campaign_id = Reference(allow_none=True)
    contract_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)


class NewOrder(OrderFields):
    """An order to place, of an account, a contact, or an opportunity that says of whom."""

    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    opportunity_id = Reference(allow_none=True)
    currency = Currency(required=True)
    placed_on = Day(metadata={"description": "Today unless said otherwise."})
    lines = fields.List(
        fields.Nested(OrderLineFields), required=True, validate=validate.Length(1, _MOST_LINES)
    )
    payment_plan = fields.Nested(PaymentPlan)


class OrderView(OrderFields):
    """An order as lists have it."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    number = fields.String(dump_only=True)
    account_id = Reference(dump_only=True, allow_none=True)
    contact_id = Reference(dump_only=True, allow_none=True)
    opportunity_id = Reference(dump_only=True, allow_none=True)
    quote_id = Reference(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    status = fields.String(dump_only=True, validate=validate.OneOf(STATUSES))
    return_status = fields.String(dump_only=True, validate=validate.OneOf(RETURN_STATUSES))
    payment_overdue = fields.Boolean(dump_only=True)
    payment_due_at = Instant(dump_only=True, allow_none=True)
    currency = fields.String(dump_only=True)
    subtotal = MoneyAmount(dump_only=True)
    discount = MoneyAmount(dump_only=True)
    tax = MoneyAmount(dump_only=True)
    total = MoneyAmount(dump_only=True)
    paid_amount = MoneyAmount(dump_only=True)
    returned_amount = MoneyAmount(dump_only=True)
    open_amount = MoneyAmount(dump_only=True)
    placed_on = fields.Date(dump_only=True)
    placed_at = Instant(dump_only=True)
    paid_on = fields.Date(dump_only=True, allow_none=True)
    fulfilled_on = fields.Date(dump_only=True, allow_none=True)
    completed_on = fields.Date(dump_only=True, allow_none=True)
    cancelled_on = fields.Date(dump_only=True, allow_none=True)
    cancel_reason = fields.String(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class OrderDetail(OrderView):
    """An order with its lines."""

    lines = fields.List(fields.Nested(OrderLineView), dump_only=True)


class Fulfilment(Schema):
    """The delivery of an order; today unless said otherwise."""

    fulfilled_on = Day()


class Completion(Schema):
    """The end of an order; today unless said otherwise."""

    completed_on = Day()


class Cancellation(Schema):
    """Why an order is called off; today unless said otherwise."""

    reason = Text(100, required=True)
    cancelled_on = Day()


class ReturnedQuantity(Schema):
    """How much of a line comes back."""

    line_id = Reference(required=True)
    quantity = Quantity(required=True)


class NewReturn(Schema):
    """What of an order comes back: all that is left of it unless said otherwise."""

    lines = fields.List(fields.Nested(ReturnedQuantity), validate=validate.Length(1, _MOST_LINES))
    returned_on = Day(metadata={"description": "Today unless said otherwise."})
    reason = Text(100, allow_none=True)

    @validates_schema(skip_on_field_errors=True)
    def _each_line_once(self, new: Mapping[str, Any], **_: Any) -> None:
        named = [line["line_id"] for line in new.get("lines", ())]
        if len(set(named)) < len(named):
            raise ValidationError("A line is there twice.", "lines")


class ReturnLineView(Schema):
    """What came back of one line."""

    line_id = Reference()
    product_id = Reference(allow_none=True)
    quantity = Quantity()
    amount = MoneyAmount()


class ReturnView(Schema):
    """Goods that came back together."""

    id = Reference()
    order_id = Reference()
    returned_on = fields.Date()
    reason = fields.String(allow_none=True)
    amount = MoneyAmount()
    recorded_at = Instant()
    lines = fields.List(fields.Nested(ReturnLineView))


class OrderRow(Schema):
    """An order of one line as a row of a file has it.

    Account, contact, opportunity, campaign, owner and product go by external id or name, a contact
    by external id alone, a contract not at all. The row says the order as it stands. Its price is
    the ``amount``, which is the total, or the unit price with its discount and tax.
    """

    external_id = Text(200)
    account = Text(200)
    contact = Text(200)
    opportunity = Text(200)
    campaign = Text(200)
    owner = Text(200)
    product = Text(200)
    product_name = Text(200)
    quantity = Quantity()
    amount = MoneyAmount(least=_ZERO)
    unit_price = MoneyAmount(least=_ZERO)
    discount_percent = Percent()
    tax_rate = Percent()
    currency = Currency(required=True)
    status = fields.String(validate=validate.OneOf(STATUSES))
    placed_on = Day(required=True)
    paid_on = Day()
    fulfilled_on = Day()
    completed_on = Day()
    cancelled_on = Day()
    cancel_reason = Text(100)


class OrderSettingsFields(Schema):
    """The rules for orders."""

    unpaid_after_hours = fields.Integer(
        strict=True,
        validate=validate.Range(1, 24 * 365),
        metadata={"description": "How long an order may wait for its payment."},
    )


class OrderSettingsView(OrderSettingsFields):
    """The rules as stored."""

    version = fields.Integer(dump_only=True)
    updated_at = Instant(dump_only=True)
