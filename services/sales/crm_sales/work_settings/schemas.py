"""The settings as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant

_YEAR_DAYS = validate.Range(1, 365)


class WorkSettingsFields(Schema):
    """The rules of the daily work."""

    lead_reminder_hours = fields.Integer(
        strict=True, allow_none=True, validate=validate.Range(1, 24 * 365)
    )
    activity_contacts_lead = fields.Boolean()
    follow_up_days = fields.Integer(strict=True, allow_none=True, validate=_YEAR_DAYS)
    stuck_days = fields.Integer(strict=True, validate=_YEAR_DAYS)
    stuck_percent = fields.Integer(strict=True, validate=validate.Range(100, 1000))
    big_percentile = fields.Integer(strict=True, validate=validate.Range(1, 99))


class WorkSettingsView(WorkSettingsFields):
    """The settings as stored."""

    version = fields.Integer(dump_only=True)
    updated_at = Instant(dump_only=True)
