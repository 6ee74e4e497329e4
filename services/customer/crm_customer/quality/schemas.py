"""Quality as requests and answers have it."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Reference
from crm_customer.kinds import KIND_NAMES
from crm_customer.quality.models import GROUPS


class QualityQuery(Schema):
    """Of which records, and by what."""

    kind = fields.String(required=True, validate=validate.OneOf(KIND_NAMES))
    by = fields.String(validate=validate.OneOf(GROUPS))


class Figures(Schema):
    """The quality of some records, in percent. A record without any fault is valid."""

    records = fields.Integer()
    valid = fields.Integer()
    valid_percent = fields.Float(allow_none=True)
    quality = fields.Float(allow_none=True, metadata={"description": "The mean."})
    completeness = fields.Float(allow_none=True, metadata={"description": "The mean."})


class QualityOf(Figures):
    """The quality of the records of one owner or team, or of all."""

    key = Reference(allow_none=True, metadata={"description": "The owner or team."})


class QualitySummary(Schema):
    items = fields.List(fields.Nested(QualityOf))


class ProgressQuery(Schema):
    """The days to show; the last 90 unless said otherwise."""

    kind = fields.String(required=True, validate=validate.OneOf(KIND_NAMES))
    first_day = fields.Date()
    last_day = fields.Date()


class QualityOfDay(Figures):
    """The quality at the end of a day."""

    day = fields.Date()


class QualityProgress(Schema):
    items = fields.List(fields.Nested(QualityOfDay))


class Fault(Schema):
    field = fields.String()
    detail = fields.String()


class RecordQuality(Schema):
    """The quality of one record, in percent, with what it lacks."""

    quality = fields.Integer()
    completeness = fields.Integer()
    validity = fields.Integer()
    missing = fields.List(fields.String(), metadata={"description": "The fields without a value."})
    faults = fields.List(fields.Nested(Fault))
