"""API clients as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_gateway.roles.schemas import grants_field


class ClientFields(Schema):
    """What is said of an API client.

    Its rights are those of its roles, and its own grants.
    """

    name = Text(200, required=True)
    team_id = Reference(allow_none=True)
    active = fields.Boolean()
    roles = fields.List(fields.String(), validate=validate.Length(max=100))
    own_grants = grants_field()


class ClientView(ClientFields):
    """An API client as stored; its id is the ``client_id`` that it signs in with."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ClientSecret(Schema):
    """What an API client signs in with. The secret is shown this once."""

    client_id = Reference()
    client_secret = fields.String()
