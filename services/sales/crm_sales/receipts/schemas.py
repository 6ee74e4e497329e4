"""Receipts as requests and answers have them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.fields import Day
from crm_sales.receipts.models import STATUSES

_SMALLEST = Decimal("0.0001")


class NewReceipt(Schema):
    """Money that came in: for an order or an invoice, or from a customer on account.

    Sent twice with the same ``external_id`` it is taken in once.
    """

    external_id = Text(200)
    order_id = Reference()
    invoice_id = Reference()
    account_id = Reference()
    contact_id = Reference()
    amount = MoneyAmount(required=True, least=_SMALLEST)
    currency = Currency(required=True)
    received_on = Day(metadata={"description": "Today unless said otherwise."})
    method = Text(64, metadata={"description": "How it was paid: transfer, card, cash ..."})
    reference = Text(200, metadata={"description": "What the payer or the bank calls it."})
    order_version = fields.Integer(
        strict=True,
        metadata={"description": "Take it in only for the order as you saw it: 412 if it changed."},
    )

    @validates_schema(skip_on_field_errors=True)
    def _one_payer(self, receipt: Mapping[str, Any], **_: Any) -> None:
        if "order_version" in receipt and not {"order_id", "invoice_id"} & receipt.keys():
            raise ValidationError("Of which order?", "order_version")
        if "order_id" in receipt or "invoice_id" in receipt:
            for name in ("account_id", "contact_id"):
                if name in receipt:
                    raise ValidationError("The order says it.", name)


class AllocationView(Schema):
    """What of a receipt counts for an order."""

    order_id = Reference()
    receivable_id = Reference(allow_none=True)
    amount = MoneyAmount()


class ReceiptView(Schema):
    """A receipt as lists have it."""

    id = Reference()
    version = fields.Integer()
    external_id = fields.String(allow_none=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    order_id = Reference(allow_none=True)
    invoice_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    amount = MoneyAmount()
    unallocated_amount = MoneyAmount()
    currency = fields.String()
    received_on = fields.Date()
    method = fields.String(allow_none=True)
    reference = fields.String(allow_none=True)
    status = fields.String(validate=validate.OneOf(STATUSES))
    reversed_on = fields.Date(allow_none=True)
    reverse_reason = fields.String(allow_none=True)
    created_at = Instant()
    updated_at = Instant()


class ReceiptDetail(ReceiptView):
    """A receipt with what it counts for."""

    allocations = fields.List(fields.Nested(AllocationView))


class Reversal(Schema):
    """Why a payment is taken back; today unless said otherwise."""

    reason = Text(100, required=True)
    reversed_on = Day()


class NewAllocation(Schema):
    """The order that credit is to count for: as much as is open of it unless said otherwise."""

    order_id = Reference(required=True)
    amount = MoneyAmount(least=_SMALLEST)


class ReceiptRow(Schema):
    """A receipt as a row of a file has it.

    Its order goes by external id or number; a receipt on account names account or contact, a
    contact by external id alone.
    """

    external_id = Text(200)
    order = Text(200)
    account = Text(200)
    contact = Text(200)
    amount = MoneyAmount(required=True, least=_SMALLEST)
    currency = Currency(required=True)
    received_on = Day(required=True)
    method = Text(64)
    reference = Text(200)
