"""Invoices as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, MoneyAmount, Reference, Text
from crm_sales.fields import Day
from crm_sales.invoices.models import STATUSES


class NewInvoice(Schema):
    """An invoice for instalments of an order: for all not invoiced yet unless said otherwise."""

    order_id = Reference(required=True)
    receivable_ids = fields.List(Reference(), validate=validate.Length(1, 120))
    issued_on = Day(metadata={"description": "Today unless said otherwise."})
    due_on = Day()


class InvoiceView(Schema):
    """An invoice as stored."""

    id = Reference()
    version = fields.Integer()
    number = fields.String()
    order_id = Reference()
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    currency = fields.String()
    subtotal = MoneyAmount()
    tax = MoneyAmount()
    total = MoneyAmount()
    issued_on = fields.Date()
    due_on = fields.Date()
    status = fields.String(validate=validate.OneOf(STATUSES))
    void_reason = fields.String(allow_none=True)
    created_at = Instant()
    updated_at = Instant()


class Voiding(Schema):
    """Why an invoice is taken back."""

    reason = Text(100, required=True)
