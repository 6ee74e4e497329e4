"""Teams as requests, answers and files have them."""

from __future__ import annotations

from marshmallow import Schema, fields

from crm_chassis.fields import Instant, Reference, Text


class TeamFields(Schema):
    """What a client says of a team."""

    external_id = Text(100, allow_none=True)
    name = Text(200, required=True)
    parent_id = Reference(metadata={"description": "The team above; the root when left out."})


class TeamView(TeamFields):
    """A team as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class TeamRow(Schema):
    """A team as a row of a file has it."""

    external_id = Text(100)
    name = Text(200, required=True)
    parent = Text(200, metadata={"description": "External id or name of the team above."})
