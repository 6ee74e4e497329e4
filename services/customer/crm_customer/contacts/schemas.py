"""Contacts as requests and answers have them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.custom_fields import CustomValues
from crm_chassis.database import utc_now
from crm_chassis.fields import Email, Instant, ListCell, Phone, Reference, Text
from crm_customer.addresses import LONGEST, MOST_ENTRIES
from crm_customer.consent import consent_field
from crm_customer.contacts.models import ROLES
from crm_customer.custom import CONTACTS
from crm_customer.duplicates.schemas import acceptance, on_duplicate
from crm_customer.profile import LEVELS, SATISFACTIONS
from crm_customer.quality.fields import Percent
from crm_customer.records import Addressed, CustomerCells
from crm_customer.tags.models import MOST_TAGS
from crm_customer.tags.schemas import TagKey

PHONE_RIGHT = "customer.contacts.phone"

_ROLE = fields.String(validate=validate.OneOf(ROLES))
_ENTRIES = validate.Length(max=MOST_ENTRIES)


class Birthday(fields.Date):
    """A day of birth: one that has been."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> date:
        day = super()._deserialize(value, attr, data, **kwargs)
        if day > utc_now().date() + timedelta(days=1):  # where the day begins first, it has begun
            raise ValidationError("In the future.")
        return day


def roles_field(**kwargs: Any) -> fields.List:
    """What a contact is at an account."""
    return fields.List(_ROLE, validate=validate.Length(max=len(ROLES)), **kwargs)


class MembershipFields(Schema):
    """What a contact is at an account.

    The primary account is a contact's ``account_id``; one takes the place of another.
    """

    roles = roles_field(load_default=list)
    primary = fields.Boolean(load_default=None, allow_none=True)


class MembershipView(Schema):
    """An account of a contact."""

    account_id = Reference()
    roles = roles_field()
    primary = fields.Boolean()


class ContactFields(Addressed):
    """What a client says of a contact."""

    external_id = Text(200, allow_none=True)
    account_id = Reference(allow_none=True)
    name = Text(200, required=True)
    sex = Text(20, allow_none=True)
    job_title = Text(100, allow_none=True)
    birthday = Birthday(allow_none=True)
    phones = fields.List(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = fields.List(Email(), validate=_ENTRIES)
    preferences = Text(4000, allow_none=True)
    needs = Text(4000, allow_none=True)
    satisfaction = fields.String(validate=validate.OneOf(SATISFACTIONS), allow_none=True)
    region = Text(100, allow_none=True)
    level = fields.String(validate=validate.OneOf(LEVELS), allow_none=True)
    source = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    consent = consent_field()
    created_on = fields.Date()
    custom = CustomValues(CONTACTS)


class NewContact(ContactFields):
    """A contact to add."""

    accept_duplicate = acceptance()


class ContactView(ContactFields):
    """A contact as stored."""

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
    phones_typed = fields.List(
        Phone(right=PHONE_RIGHT),
        dump_only=True,
        metadata={"description": "The numbers in phones as they were typed."},
    )
    tags = fields.List(fields.String(), dump_only=True)
    accounts = fields.List(fields.Nested(MembershipView), dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ContactRow(CustomerCells, ContactFields):
    """A contact as a row of a file has it; account and owner go by external id or name.

    ``roles`` are those at the account.
    """

    class Meta:
        exclude = ("account_id", "owner_id", "postal_addresses", "consent", "custom")

    phones = ListCell(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = ListCell(Email(), validate=_ENTRIES)
    addresses = ListCell(Text(LONGEST), validate=_ENTRIES)
    tags = ListCell(TagKey(), validate=validate.Length(max=MOST_TAGS))
    account = Text(200)
    roles = ListCell(_ROLE, validate=validate.Length(max=len(ROLES)))
    owner = Text(200)
    on_duplicate = on_duplicate()


class ContactColumns(CustomerCells, ContactView):
    """A contact as a row of an export has it; its roles are those at the primary account."""

    class Meta:
        exclude = ("postal_addresses", "consent", "accounts")

    roles = roles_field()
