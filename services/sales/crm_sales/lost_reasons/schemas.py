"""Lost reasons as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields

from crm_chassis.fields import Instant, Reference, Text


class LostReasonFields(Schema):
    """A reason to choose from when a deal is lost."""

    name = Text(100, required=True)
    active = fields.Boolean()


class LostReasonView(LostReasonFields):
    """A reason as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
