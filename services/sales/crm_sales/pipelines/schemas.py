"""Pipelines as requests and answers have them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from crm_chassis.fields import Instant, Reference, Text
from crm_sales.pipelines.models import NEEDED_TYPES, STAGE_TYPES

REQUIRABLE = (
    "account_id",
    "amount",
    "campaign_id",
    "competitors",
    "contact_id",
    "expected_close_on",
    "line_items",
    "next_step",
    "next_step_on",
    "product",
    "source",
)
"""What a stage may require of a deal. ``product`` is a product or line items."""

_SETTLED = {"won": 100, "lost": 0, "invalid": 0}  # percent
_MOST_STAGES = 50


class Key(fields.String):
    """A key of lower-case letters, digits, ``_`` and ``-``."""

    def __init__(self, **kwargs: Any) -> None:
        pattern = validate.Regexp(r"[a-z0-9][a-z0-9_-]{0,63}\Z", error="Not a key like new_deals.")
        super().__init__(validate=pattern, **kwargs)


class StageFields(Schema):
    """A stage, its place being that in the list.

    A stage that closes a deal has the probability of what it means: 100 for won, 0 for others.
    """

    key = Key(required=True)
    name = Text(100, required=True)
    type = fields.String(required=True, validate=validate.OneOf(STAGE_TYPES))
    probability = fields.Integer(strict=True, validate=validate.Range(0, 100))
    active = fields.Boolean(load_default=True)
    required_fields = fields.List(
        fields.String(validate=validate.OneOf(REQUIRABLE)), load_default=list
    )

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        settled = _SETTLED.get(values["type"])
        probability = values.get("probability")
        if settled is None and probability is None:
            raise ValidationError("An open stage needs one.", "probability")
        if settled is not None and probability not in (None, settled):
            raise ValidationError(f"Of a stage that is {values['type']}: {settled}.", "probability")

    @post_load
    def _complete(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        required = sorted(set(values["required_fields"]))
        settled = {"probability": _SETTLED.get(values["type"], values.get("probability"))}
        return values | settled | {"required_fields": required}


class Stages(Schema):
    """All stages of a pipeline, in order."""

    stages = fields.List(
        fields.Nested(StageFields), required=True, validate=validate.Length(1, _MOST_STAGES)
    )

    @validates_schema
    def _check(self, values: dict[str, Any], **_: Any) -> None:
        times = Counter(stage["key"] for stage in values["stages"])
        twice = {
            place: {"key": ["Another stage has this key."]}
            for place, stage in enumerate(values["stages"])
            if times[stage["key"]] > 1
        }
        if twice:
            raise ValidationError({"stages": twice})
        there = {stage["type"] for stage in values["stages"] if stage["active"]}
        missing = [type_ for type_ in NEEDED_TYPES if type_ not in there]
        if missing:
            raise ValidationError(
                f"An active stage of each type is needed; there is none of {', '.join(missing)}.",
                "stages",
            )


class NewPipeline(Stages):
    """A pipeline to add."""

    key = Key(required=True)
    name = Text(100, required=True)


class PipelineChanges(Schema):
    """What changes on a pipeline. ``is_default`` can only be given: another one loses it then."""

    name = Text(100)
    active = fields.Boolean()
    is_default = fields.Boolean(validate=validate.Equal(True))


class StageView(Schema):
    """A stage of a pipeline."""

    pipeline = fields.String()
    key = fields.String()
    name = fields.String()
    position = fields.Integer()
    type = fields.String(validate=validate.OneOf(STAGE_TYPES))
    probability = fields.Integer()
    active = fields.Boolean()
    required_fields = fields.List(fields.String())


class PipelineView(Schema):
    """A pipeline as stored."""

    id = Reference()
    version = fields.Integer()
    key = fields.String()
    name = fields.String()
    active = fields.Boolean()
    is_default = fields.Boolean()
    stages = fields.List(fields.Nested(StageView))
    created_at = Instant()
    updated_at = Instant()
