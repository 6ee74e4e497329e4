"""What requests and files say of a customer, put together with what was known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate, validates_schema

from crm_chassis.custom_fields import merged
from crm_chassis.fields import Email, Instant, ListCell, Phone, Reference, Text
from crm_customer.addresses import LONGEST, MOST_ENTRIES, Address, by_parts
from crm_customer.consent import STATES, consent_field, consented
from crm_customer.duplicates.schemas import on_duplicate
from crm_customer.profile import LEVELS, SATISFACTIONS, Profile
from crm_customer.quality.fields import Percent
from crm_customer.tags.models import MOST_TAGS
from crm_customer.tags.schemas import TagKey

ENTRIES = validate.Length(max=MOST_ENTRIES)

IMPORTED = "import"
"""The source of a consent for which a file names none."""


def first_known(given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values of a new customer."""
    consent, custom = given.get("consent", {}), given.get("custom", {})
    return {**given, "consent": consented({}, consent), "custom": merged({}, custom)}


def put_together(known: Profile, given: Mapping[str, Any]) -> dict[str, Any]:
    """The given values; of consent and custom fields, those not given as they are known."""
    values = dict(given)
    if "consent" in given:
        values["consent"] = consented(known.consent, given["consent"])
    if "custom" in given:
        values["custom"] = merged(known.custom, given["custom"])
    return values


class Addressed(Schema):
    """The addresses of a customer, each in one line or by its parts: the one gives the other."""

    addresses = fields.List(Text(LONGEST), validate=ENTRIES)
    postal_addresses = fields.List(fields.Nested(Address), validate=ENTRIES)

    @validates_schema
    def _said_once(self, values: dict[str, Any], **_: Any) -> None:
        if "addresses" in values and "postal_addresses" in values:
            raise ValidationError("Give this or addresses.", "postal_addresses")

    @post_load
    def _in_lines(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        parts = values.pop("postal_addresses", None)
        return values if parts is None else values | by_parts(parts)


class CustomerFields(Addressed):
    """What a client says of an account and of a contact alike."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    region = Text(100, allow_none=True)
    level = fields.String(validate=validate.OneOf(LEVELS), allow_none=True)
    emails = fields.List(Email(), validate=ENTRIES)
    preferences = Text(4000, allow_none=True)
    needs = Text(4000, allow_none=True)
    satisfaction = fields.String(validate=validate.OneOf(SATISFACTIONS), allow_none=True)
    source = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    consent = consent_field()
    created_on = fields.Date()


class StoredCustomer(Schema):
    """What else there is of a customer that is stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)
    merged_into = Reference(
        dump_only=True,
        allow_none=True,
        metadata={"description": "The record that stands for this one, which is in no list then."},
    )
    quality = Percent(dump_only=True)
    completeness = Percent(dump_only=True)
    validity = Percent(dump_only=True)
    last_contacted_at = Instant(dump_only=True, allow_none=True)
    tags = fields.List(fields.String(), dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


def phones_typed(right: str) -> fields.List:
    """The field of the telephone numbers as they were typed.

    :param right: to see them in full.
    """
    return fields.List(
        Phone(right=right),
        dump_only=True,
        metadata={"description": "The numbers in phones as they were typed."},
    )


def _consent_cell(channel: str) -> fields.String:
    return fields.String(attribute=f"consent.{channel}.state", validate=validate.OneOf(STATES))


class CustomerCells(Schema):
    """What of a customer is a structure elsewhere, and takes several columns of a file."""

    address_line1 = Text(LONGEST, attribute="first_address.line1")
    address_line2 = Text(200, attribute="first_address.line2")
    address_city = Text(100, attribute="first_address.city")
    address_region = Text(100, attribute="first_address.region")
    address_postal_code = Text(20, attribute="first_address.postal_code")
    address_country = fields.String(attribute="first_address.country")
    consent_email = _consent_cell("email")
    consent_sms = _consent_cell("sms")
    consent_phone = _consent_cell("phone")
    consent_post = _consent_cell("post")
    consent_chat = _consent_cell("chat")
    consent_social = _consent_cell("social")
    consent_source = Text(100, load_only=True)

    @post_load
    def _as_structures(self, values: dict[str, Any], **_: Any) -> dict[str, Any]:
        source = values.pop("consent_source", IMPORTED)
        for said in values.get("consent", {}).values():
            said["source"] = source
        address = values.pop("first_address", None)
        if address is None:
            return values
        if "addresses" in values:
            raise ValidationError("Give this or addresses.", "address_line1")
        return values | by_parts([_checked(address)])


class CustomerRow(CustomerCells):
    """What a row of a file says of an account and of a contact alike; the owner goes by external id
    or name.
    """

    emails = ListCell(Email(), validate=ENTRIES)
    addresses = ListCell(Text(LONGEST), validate=ENTRIES)
    tags = ListCell(TagKey(), validate=validate.Length(max=MOST_TAGS))
    owner = Text(200)
    on_duplicate = on_duplicate()


def _checked(address: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return dict(Address().load(address))
    except ValidationError as error:
        messages = error.normalized_messages()
        raise ValidationError(
            {
                f"address_{'line1' if part == '_schema' else part}": why
                for part, why in messages.items()
            }
        ) from None
