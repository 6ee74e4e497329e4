"""Postal addresses by their parts, and in one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from crm_chassis.fields import Text

LONGEST = 500
"""Characters of an address in one line."""
MOST_ENTRIES = 20
"""Numbers, e-mail addresses or postal addresses of one customer."""

KINDS = ("office", "home", "billing", "delivery", "other")
_PARTS = ("line1", "line2", "city", "region", "postal_code", "country")
_COUNTRY = validate.Regexp(r"[A-Z]{2}\Z", error="Not a country code like DE.")


class Address(Schema):
    """A postal address. ``country`` is a code of ISO 3166, of two letters."""

    line1 = Text(LONGEST, required=True)
    line2 = Text(200, allow_none=True)
    city = Text(100, allow_none=True)
    region = Text(100, allow_none=True)
    postal_code = Text(20, allow_none=True)
    country = fields.String(allow_none=True, validate=_COUNTRY)
    kind = fields.String(allow_none=True, validate=validate.OneOf(KINDS))

    @post_load
    def _short_enough(self, address: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What is not known is left out.

        :raises ValidationError: the address is too long for one line.
        """
        if len(one_line(address)) > LONGEST:
            raise ValidationError(f"Longer than {LONGEST} characters in one line.")
        return {part: value for part, value in address.items() if value is not None}


def by_parts(addresses: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The columns of a profile that keep these addresses."""
    lines = [one_line(address) for address in addresses]
    return {"addresses": lines, "address_parts": list(addresses)}


def one_line(address: Mapping[str, Any]) -> str:
    """The address as a text: its parts between commas."""
    return ", ".join(address[part] for part in _PARTS if address.get(part))
