"""Discount limits as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields

from crm_chassis.fields import Instant, Reference
from crm_sales.fields import Percent


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
