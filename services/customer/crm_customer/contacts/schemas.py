"""Contacts as requests and answers have them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.custom_fields import CustomValues
from crm_chassis.database import utc_now
from crm_chassis.fields import ListCell, Phone, Reference, Text
from crm_customer.contacts.models import ROLES
from crm_customer.custom import CONTACTS
from crm_customer.duplicates.schemas import acceptance
from crm_customer.kinds import CONTACT
from crm_customer.records import (
    ENTRIES,
    CustomerCells,
    CustomerFields,
    CustomerRow,
    StoredCustomer,
    phones_typed,
)

PHONE_RIGHT = CONTACT.phone

_ROLE = fields.String(validate=validate.OneOf(ROLES))


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


class ContactFields(CustomerFields):
    """What a client says of a contact."""

    account_id = Reference(allow_none=True)
    sex = Text(20, allow_none=True)
    job_title = Text(100, allow_none=True)
    birthday = Birthday(allow_none=True)
    phones = fields.List(Phone(right=PHONE_RIGHT), validate=ENTRIES)
    custom = CustomValues(CONTACTS)


class NewContact(ContactFields):
    """A contact to add."""

    accept_duplicate = acceptance()


class ContactView(StoredCustomer, ContactFields):
    """A contact as stored."""

    phones_typed = phones_typed(PHONE_RIGHT)
    accounts = fields.List(fields.Nested(MembershipView), dump_only=True)


class ContactRow(CustomerRow, ContactFields):
    """A contact as a row of a file has it; account and owner go by external id or name.

    ``roles`` are those at the account.
    """

    class Meta:
        exclude = ("account_id", "owner_id", "postal_addresses", "consent", "custom")

    phones = ListCell(Phone(right=PHONE_RIGHT), validate=ENTRIES)
    account = Text(200)
    roles = ListCell(_ROLE, validate=validate.Length(max=len(ROLES)))


class ContactColumns(CustomerCells, ContactView):
    """A contact as a row of an export has it; its roles are those at the primary account."""

    class Meta:
        exclude = ("postal_addresses", "consent", "accounts")

    roles = roles_field()
