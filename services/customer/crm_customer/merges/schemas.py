"""Merges as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference
from crm_customer.kinds import KIND_NAMES
from crm_customer.merges.combining import SIDES
from crm_customer.merges.models import STATUSES


class MergeFields(Schema):
    """Which record is merged into which, and whose value stands where both have one.

    Without a choice the survivor's value stands, or the merged record's where the survivor has
    none; telephone numbers, mailboxes, addresses, custom fields and tags that were given by hand
    are joined.
    """

    kind = fields.String(required=True, validate=validate.OneOf(KIND_NAMES))
    survivor_id = Reference(required=True)
    merged_id = Reference(required=True)
    choice = fields.Dict(
        fields.String(),
        fields.String(validate=validate.OneOf(SIDES)),
        data_key="fields",
        attribute="fields",
        load_default=dict,
        metadata={"description": "Field to whose value is taken."},
    )


class NewMerge(MergeFields):
    """A merge, with the versions of both records that the caller has seen."""

    survivor_version = fields.Integer(required=True, strict=True)
    merged_version = fields.Integer(required=True, strict=True)


class MergeView(MergeFields):
    """A merge as stored."""

    id = Reference()
    version = fields.Integer()
    status = fields.String(validate=validate.OneOf(STATUSES))
    done_by = fields.String()
    undone_by = fields.String(allow_none=True)
    created_at = Instant()
    updated_at = Instant()
