"""Search as requests and answers have it."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Reference, Text

TYPES = ("account", "contact")


class SearchQuery(Schema):
    """What to look for."""

    q = Text(100, required=True, metadata={"description": "Text, or part of a telephone number."})
    type = fields.List(
        fields.String(validate=validate.OneOf(TYPES)),
        load_default=list(TYPES),
        validate=validate.Length(1, len(TYPES)),
    )
    limit = fields.Integer(load_default=20, validate=validate.Range(1, 50))


class AccountName(Schema):
    id = Reference()
    name = fields.String()


class FoundView(Schema):
    """A customer, and the text of it that is closest to what was looked for."""

    type = fields.String(validate=validate.OneOf(TYPES))
    id = Reference()
    name = fields.String()
    account = fields.Nested(
        AccountName, allow_none=True, metadata={"description": "A contact's, if you may see it."}
    )
    field = fields.String(validate=validate.OneOf(["name", "emails", "phones", "tags"]))
    value = fields.String(metadata={"description": "The text that was found."})
    highlight = fields.Tuple(
        (fields.Integer(), fields.Integer()),
        metadata={"description": "From which character of the value to which one it matches."},
    )


class FoundPage(Schema):
    items = fields.List(fields.Nested(FoundView))
    more = fields.Boolean(metadata={"description": "Others are found too: look for more of it."})
