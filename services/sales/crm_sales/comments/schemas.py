"""Comments and mentions as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_chassis.paging import LIMIT
from crm_sales.related import KINDS


class CommentText(Schema):
    """What is said, and the users it mentions.

    A mention gives no right: who may not see the thing sees neither comment nor mention.
    """

    text = Text(4000, required=True)
    mentions = fields.List(Reference(), validate=validate.Length(max=20), load_default=list)


class CommentFields(CommentText):
    """A comment to make."""

    related_type = fields.String(required=True, validate=validate.OneOf(KINDS))
    related_id = Reference(required=True)


class CommentView(Schema):
    """A comment as stored."""

    id = Reference()
    version = fields.Integer()
    related_type = fields.String()
    related_id = Reference()
    author_id = Reference()
    text = fields.String()
    mentions = fields.List(Reference(), attribute="mentioned")
    created_at = Instant()
    edited_at = Instant(allow_none=True)


class ThingQuery(Schema):
    """What the comments are about."""

    related_type = fields.String(required=True, validate=validate.OneOf(KINDS))
    related_id = Reference(required=True)
    limit = LIMIT
    cursor = fields.String()


class MentionView(Schema):
    """A mention of the user who asks."""

    id = Reference()
    comment_id = Reference()
    related_type = fields.String()
    related_id = Reference()
    author_id = Reference(attribute="comment.author_id")
    text = fields.String(attribute="comment.text")
    created_at = Instant()
    read_at = Instant(allow_none=True)


class MentionMark(Schema):
    """Whether a mention has been read."""

    read = fields.Boolean(required=True)
