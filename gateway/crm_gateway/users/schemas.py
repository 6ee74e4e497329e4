"""Users as requests, answers and files have them."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Email, Instant, Reference, Text
from crm_gateway.sign_in.passwords import MAXIMUM_LENGTH, MINIMUM_LENGTH


class SignInEmail(Email):
    """An e-mail address in lower case: nobody should have to remember how theirs was typed."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value, attr, data, **kwargs).lower()


class UserFields(Schema):
    """What a client says of a user."""

    external_id = Text(100, allow_none=True)
    name = Text(200, required=True)
    email = SignInEmail(allow_none=True)
    team_id = Reference(allow_none=True)
    active = fields.Boolean()
    roles = fields.List(fields.String(), validate=validate.Length(max=100))


class UserView(UserFields):
    """A user as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class UserRow(Schema):
    """A user as a row of a file has it. Without an e-mail address a user cannot sign in."""

    external_id = Text(100)
    name = Text(200, required=True)
    email = SignInEmail()
    active = fields.Boolean()
    team = Text(200, metadata={"description": "External id or name of the team."})
    role = Text(60, metadata={"description": "Name of the one role."})


def password_field(**kwargs: Any) -> fields.String:
    """A new password."""
    return fields.String(
        required=True,
        load_only=True,
        validate=validate.Length(MINIMUM_LENGTH, MAXIMUM_LENGTH),
        metadata={"format": "password"},
        **kwargs,
    )


class NewPassword(Schema):
    """A password that an administrator sets."""

    password = password_field()


class OwnNewPassword(NewPassword):
    """A password that its user sets."""

    current_password = fields.String(required=True, load_only=True, metadata={"format": "password"})


class MyTeam(Schema):
    id = Reference()
    name = fields.String()


class Me(Schema):
    """Who the request comes from, and what they may do."""

    id = Reference()
    kind = fields.String(validate=validate.OneOf(["user", "client"]))
    name = fields.String()
    email = fields.String(allow_none=True)
    team = fields.Nested(MyTeam, allow_none=True)
    roles = fields.List(fields.String())
    grants = fields.Dict(fields.String(), fields.String())
