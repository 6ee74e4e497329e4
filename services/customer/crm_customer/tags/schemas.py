"""Tags and their rules as requests and answers have them."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.fields import Currency, Instant, Reference, Text
from crm_customer.kinds import KIND_NAMES
from crm_customer.tags.conditions import MOST_MONTHS, OPS

_KEY = re.compile(r"[\w-]{1,64}")
_COLOUR = validate.Regexp(r"#[0-9A-Fa-f]{6}\Z", error="Not a colour like #1A7F37.")
_CONDITIONS = validate.Length(1, 20)
_POSITION = validate.Range(0, 10_000)


class TagKey(Text):
    """What a tag goes by: letters in lower case of any script, digits, ``-`` and ``_``."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(64, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        key = super()._deserialize(value, attr, data, **kwargs)
        if not _KEY.fullmatch(key) or key != key.lower():
            raise ValidationError("Letters in lower case, digits, - and _ only.")
        return key


class TagFields(Schema):
    """What a client says of a tag."""

    key = TagKey(required=True)
    category = Text(64, allow_none=True)
    label = Text(100, required=True)
    colour = fields.String(validate=_COLOUR, allow_none=True)


class TagChanges(Schema):
    """What may change of a tag; key and category stay, for customers bear it by them."""

    label = Text(100)
    colour = fields.String(validate=_COLOUR, allow_none=True)


class TagView(TagFields):
    """A tag as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ConditionValue(fields.Field[Any]):
    """A text, a list of texts, or a number."""

    def __init__(self, **kwargs: Any) -> None:
        text, number = {"type": "string"}, {"type": "number"}
        choices = [text, number, {"type": "array", "items": text}]
        super().__init__(metadata={"oneOf": choices}, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            return fields.List(Text(100), validate=validate.Length(1, 100)).deserialize(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        return Text(100).deserialize(value)


class Condition(Schema):
    """What a rule asks of a customer."""

    field = Text(100, required=True, metadata={"example": "spend"})
    op = fields.String(required=True, validate=validate.OneOf(OPS))
    value = ConditionValue(required=True)
    within_months = fields.Integer(strict=True, validate=validate.Range(1, MOST_MONTHS))
    currency = Currency()


class RuleChanges(Schema):
    """What may change of a rule."""

    name = Text(100)
    tag = TagKey()
    match = fields.String(validate=validate.OneOf(["all", "any"]))
    conditions = fields.List(fields.Nested(Condition), validate=_CONDITIONS)
    position = fields.Integer(strict=True, validate=_POSITION)
    active = fields.Boolean()


class RuleFields(RuleChanges):
    """What a client says of a rule."""

    name = Text(100, required=True)
    kind = fields.String(required=True, validate=validate.OneOf(KIND_NAMES))
    tag = TagKey(required=True)
    conditions = fields.List(fields.Nested(Condition), required=True, validate=_CONDITIONS)


class RuleView(RuleFields):
    """A rule as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class BorneTags(Schema):
    """The tags of one customer."""

    id = Reference()
    version = fields.Integer()
    tags = fields.List(fields.String())
    ruled_tags = fields.List(fields.String(), metadata={"description": "Those that rules gave."})
