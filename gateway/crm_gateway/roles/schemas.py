"""Roles as requests and answers have them."""

from __future__ import annotations

import re
from typing import Any

from marshmallow import Schema, fields, validate

from crm_chassis.auth import SCOPES
from crm_chassis.fields import Instant, Reference, Text

_PERMISSION = re.compile(r"\*|[a-z][a-z_-]*(\.[a-z][a-z_-]*)*(\.\*)?")


def grants_field(**kwargs: Any) -> fields.Dict:
    """Permissions, or patterns ending in ``*``, each with its scope."""
    pattern = validate.Regexp(
        re.compile(rf"(?:{_PERMISSION.pattern})\Z"), error="Not a permission like sales.leads.read."
    )
    return fields.Dict(
        fields.String(validate=pattern),
        fields.String(validate=validate.OneOf(SCOPES)),
        metadata={"example": {"sales.leads.read": "team", "reporting.*": "all"}},
        **kwargs,
    )


class RoleChanges(Schema):
    """What can be changed of a role."""

    description = Text(200, empty=True)
    grants = grants_field()


class RoleFields(Schema):
    """What a client says of a new role."""

    name = fields.String(
        required=True,
        validate=validate.Regexp(r"[a-z][a-z0-9_]{1,59}\Z", error="Lower case letters and _ only."),
    )
    description = Text(200, empty=True, load_default="")
    grants = grants_field(required=True)


class RoleView(RoleFields):
    """A role as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)
