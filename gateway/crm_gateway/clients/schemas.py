"""API clients as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_gateway.roles.schemas import grants_field

_LONGEST_OVERLAP = 30 * 86_400  # seconds


class ClientFields(Schema):
    """What is said of an API client.

    Its rights are those of its roles, and its own grants.
    """

    name = Text(200, required=True)
    team_id = Reference(allow_none=True)
    active = fields.Boolean()
    roles = fields.List(fields.String(), validate=validate.Length(max=100))
    own_grants = grants_field()


class NewSecret(Schema):
    """For how long the secret before is to stay good beside the new one."""

    overlap_seconds = fields.Integer(
        strict=True, load_default=0, validate=validate.Range(0, _LONGEST_OVERLAP)
    )


class ClientView(ClientFields):
    """An API client as stored; its id is the ``client_id`` that it signs in with.

    Where the secret before the newest is still good, ``former_until`` says until when.
    """

    former_until = Instant(dump_only=True, allow_none=True)

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ClientSecret(Schema):
    """What an API client signs in with. The secret is shown this once."""

    client_id = Reference()
    client_secret = fields.String()
