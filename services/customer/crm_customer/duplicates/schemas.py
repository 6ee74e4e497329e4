"""Duplicates as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_customer.duplicates.models import ORIGINS, POLICIES, SCAN_STATES, STATES
from crm_customer.kinds import KIND_NAMES

_PERCENT = validate.Range(1, 100)


def acceptance() -> Text:
    """The field of a new record by which somebody stores it though it is like another."""
    return Text(
        500,
        load_only=True,
        metadata={"description": "Why to store it though it may be there already."},
    )


def on_duplicate() -> fields.String:
    """The field of a row of a file, mostly a constant, for when it is like another record.

    It is accepted, for a later scan to find; or rejected; or it updates that record.
    """
    return fields.String(validate=validate.OneOf(POLICIES))


class Likeness(Schema):
    """A record that a new one is like."""

    id = Reference()
    score = fields.Integer(metadata={"description": "Percent."})
    reasons = fields.List(fields.String(), metadata={"description": "The fields that agree."})


class DuplicateProblem(Schema):
    """The answer to a new record that may be there already."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
    instance = fields.String()
    trace_id = fields.String()
    candidates = fields.List(fields.Nested(Likeness))
    hidden = fields.Boolean(
        metadata={"description": "It is also like one that is not visible to the caller."}
    )


class CandidateView(Schema):
    """Two records that may be one customer."""

    id = Reference()
    version = fields.Integer()
    kind = fields.String(validate=validate.OneOf(KIND_NAMES))
    first_id = Reference(metadata={"description": "The older of the two."})
    second_id = Reference()
    score = fields.Integer(metadata={"description": "Percent."})
    reasons = fields.List(fields.String(), metadata={"description": "The fields that agree."})
    state = fields.String(validate=validate.OneOf(STATES))
    origin = fields.String(validate=validate.OneOf(ORIGINS))
    note = fields.String(allow_none=True)
    decided_by = fields.String(allow_none=True)
    merge_id = Reference(allow_none=True)
    created_at = Instant()
    updated_at = Instant()


class Decision(Schema):
    """What is made of a pair."""

    state = fields.String(required=True, validate=validate.OneOf(("open", "dismissed")))
    note = Text(500)


class NewScan(Schema):
    """The records to look for duplicates among."""

    kind = fields.String(required=True, validate=validate.OneOf(KIND_NAMES))


class ScanView(NewScan):
    """A scan, and how far it is."""

    id = Reference()
    state = fields.String(validate=validate.OneOf(SCAN_STATES))
    progress = fields.Integer(metadata={"description": "Percent."})
    found = fields.Integer(metadata={"description": "Pairs that were not known before."})
    started_by = fields.String()
    created_at = Instant()
    finished_at = Instant(allow_none=True)


class Thresholds(Schema):
    """From which score on, in percent, two records count as duplicates."""

    entry_from = fields.Integer(
        strict=True,
        required=True,
        validate=_PERCENT,
        metadata={"description": "A new record is refused."},
    )
    review_from = fields.Integer(
        strict=True,
        required=True,
        validate=_PERCENT,
        metadata={"description": "The pair goes to the review queue."},
    )


class ThresholdsView(Thresholds):
    """The thresholds as stored."""

    version = fields.Integer(dump_only=True)
