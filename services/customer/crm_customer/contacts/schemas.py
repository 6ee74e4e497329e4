"""Contacts as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Email, Instant, ListCell, Phone, Reference, Text
from crm_customer.profile import LEVELS, MOST_ENTRIES, SATISFACTIONS

PHONE_RIGHT = "customer.contacts.phone"

_ENTRIES = validate.Length(max=MOST_ENTRIES)


class ContactFields(Schema):
    """What a client says of a contact."""

    external_id = Text(200, allow_none=True)
    account_id = Reference(allow_none=True)
    name = Text(200, required=True)
    sex = Text(20, allow_none=True)
    job_title = Text(100, allow_none=True)
    phones = fields.List(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = fields.List(Email(), validate=_ENTRIES)
    addresses = fields.List(Text(500), validate=_ENTRIES)
    preferences = Text(4000, allow_none=True)
    needs = Text(4000, allow_none=True)
    satisfaction = fields.String(validate=validate.OneOf(SATISFACTIONS), allow_none=True)
    region = Text(100, allow_none=True)
    level = fields.String(validate=validate.OneOf(LEVELS), allow_none=True)
    source = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    created_on = fields.Date()


class ContactView(ContactFields):
    """A contact as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ContactRow(ContactFields):
    """A contact as a row of a file has it; account and owner go by external id or name."""

    class Meta:
        exclude = ("account_id", "owner_id")

    phones = ListCell(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = ListCell(Email(), validate=_ENTRIES)
    addresses = ListCell(Text(500), validate=_ENTRIES)
    account = Text(200)
    owner = Text(200)
