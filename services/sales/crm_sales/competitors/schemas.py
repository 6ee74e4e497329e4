"""Competitors as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields

from crm_chassis.fields import Instant, Reference, Text

ARGUMENTS = 2000  # characters of strengths or weaknesses


class CompetitorFields(Schema):
    """What a client says of a competitor."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    website = Text(500, allow_none=True)
    strengths = Text(ARGUMENTS, allow_none=True)
    weaknesses = Text(ARGUMENTS, allow_none=True)
    active = fields.Boolean()


class CompetitorView(CompetitorFields):
    """A competitor as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class Record(Schema):
    """How the deals went in which we met a competitor, of those that the asker sees."""

    open = fields.Integer()
    won = fields.Integer(metadata={"description": "We won."})
    lost = fields.Integer(metadata={"description": "The competitor won."})
    lost_to_others = fields.Integer(metadata={"description": "Neither of us won, or unknown."})
