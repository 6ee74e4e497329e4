"""Receivables as answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, MoneyAmount, Reference
from crm_sales.receivables.models import STATUSES


class ReceivableView(Schema):
    """A receivable as stored."""

    id = Reference()
    version = fields.Integer()
    order_id = Reference()
    invoice_id = Reference(allow_none=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    team_id = Reference(allow_none=True)
    position = fields.Integer()
    due_on = fields.Date()
    amount = MoneyAmount()
    paid_amount = MoneyAmount()
    open_amount = MoneyAmount()
    currency = fields.String()
    status = fields.String(validate=validate.OneOf(STATUSES))
    created_at = Instant()
    updated_at = Instant()
