"""Life cycles, their rules and their care as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Text
from crm_customer.lifecycle.models import MOST_LAPSE_DAYS
from crm_customer.lifecycle.stages import STAGES


class LifecycleSettingsFields(Schema):
    """What managers may change."""

    lapse_days = fields.Integer(
        strict=True,
        required=True,
        validate=validate.Range(1, MOST_LAPSE_DAYS),
        metadata={"description": "Days without an order after which a customer has lapsed."},
    )


class LifecycleSettingsView(LifecycleSettingsFields):
    """The rules as stored."""

    version = fields.Integer(dump_only=True)
    updated_at = Instant(dump_only=True)


class CarePlanFields(Schema):
    """What customers of a stage get."""

    care = Text(2000, required=True, metadata={"example": "Training in the first month."})


class CarePlanView(CarePlanFields):
    """The care of a stage as stored."""

    stage = fields.String(dump_only=True, validate=validate.OneOf(STAGES))
    version = fields.Integer(dump_only=True)
    updated_at = Instant(dump_only=True)


class CarePlans(Schema):
    items = fields.List(fields.Nested(CarePlanView))
