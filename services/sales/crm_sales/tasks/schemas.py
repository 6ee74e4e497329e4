"""Tasks as requests and answers have them."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from crm_chassis.fields import Instant, Reference, Text
from crm_sales.related import KINDS as RELATED
from crm_sales.tasks.models import KINDS, PRIORITIES, STATUSES

_MONTH_MINUTES = 31 * 24 * 60


class TaskFields(Schema):
    """What a client says of a task: when it is due as a moment, or as the end of a business day."""

    title = Text(200, required=True)
    description = Text(4000, allow_none=True)
    kind = fields.String(validate=validate.OneOf(KINDS))
    priority = fields.String(validate=validate.OneOf(PRIORITIES))
    due_at = Instant()
    due_on = fields.Date()
    remind_minutes = fields.Integer(
        strict=True,
        allow_none=True,
        validate=validate.Range(1, _MONTH_MINUTES),
        metadata={"description": "So long before it is due its owner is reminded."},
    )
    owner_id = Reference(allow_none=True)
    related_type = fields.String(validate=validate.OneOf(RELATED), allow_none=True)
    related_id = Reference(allow_none=True)

    @validates_schema
    def _one_time(self, values: dict[str, Any], **_: Any) -> None:
        if {"due_at", "due_on"} <= values.keys():
            raise ValidationError("Say due_at or due_on, not both.", "due_on")

    @validates_schema
    def _whole_reference(self, values: dict[str, Any], **_: Any) -> None:
        said = {name: values.get(name) for name in ("related_type", "related_id")}
        if len({value is None for value in said.values()}) > 1:
            raise ValidationError("Say related_type and related_id together.", "related_id")


class NewTask(TaskFields):
    """A task to be done."""

    @validates_schema
    def _some_time(self, values: dict[str, Any], **_: Any) -> None:
        if not {"due_at", "due_on"} & values.keys():
            raise ValidationError("Say when it is due, with due_at or due_on.", "due_at")


class TaskView(TaskFields):
    """A task as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    status = fields.String(dump_only=True, validate=validate.OneOf(STATUSES))
    team_id = Reference(dump_only=True, allow_none=True)
    account_id = Reference(dump_only=True, allow_none=True)
    contact_id = Reference(dump_only=True, allow_none=True)
    reminded_at = Instant(dump_only=True, allow_none=True)
    completed_at = Instant(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
