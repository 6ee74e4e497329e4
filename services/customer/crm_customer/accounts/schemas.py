"""Accounts as requests and answers have them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, validate

from crm_chassis.custom_fields import CustomValues
from crm_chassis.fields import (
    Currency,
    Email,
    Instant,
    ListCell,
    MoneyAmount,
    Phone,
    Reference,
    Text,
)
from crm_customer.accounts.models import KINDS
from crm_customer.addresses import LONGEST, MOST_ENTRIES
from crm_customer.consent import consent_field
from crm_customer.custom import ACCOUNTS
from crm_customer.duplicates.schemas import acceptance, on_duplicate
from crm_customer.profile import LEVELS, SATISFACTIONS
from crm_customer.quality.fields import Percent
from crm_customer.records import Addressed, CustomerCells
from crm_customer.tags.models import MOST_TAGS
from crm_customer.tags.schemas import TagKey

PHONE_RIGHT = "customer.accounts.phone"

_ENTRIES = validate.Length(max=MOST_ENTRIES)
_EMPLOYEES = validate.Range(0, 10**9)
_YEAR = validate.Range(1000, 9999)
_WEB_ADDRESS = re.compile(r"(https?://)?[\w-]+(\.[\w-]+)+(:\d+)?([/?#]\S*)?", re.IGNORECASE)


class Website(Text):
    """A web address, with or without ``https://``, and never one that a browser would execute."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(500, **kwargs)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        address = super()._deserialize(value, attr, data, **kwargs)
        if not _WEB_ADDRESS.fullmatch(address):
            raise ValidationError("Not a web address like https://example.com.")
        return address


class AccountFields(Addressed):
    """What a client says of an account."""

    external_id = Text(200, allow_none=True)
    name = Text(200, required=True)
    kind = fields.String(validate=validate.OneOf(KINDS))
    industry = Text(100, allow_none=True)
    region = Text(100, allow_none=True)
    level = fields.String(validate=validate.OneOf(LEVELS), allow_none=True)
    phones = fields.List(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = fields.List(Email(), validate=_ENTRIES)
    preferences = Text(4000, allow_none=True)
    needs = Text(4000, allow_none=True)
    satisfaction = fields.String(validate=validate.OneOf(SATISFACTIONS), allow_none=True)
    website = Website(allow_none=True)
    employees = fields.Integer(strict=True, allow_none=True, validate=_EMPLOYEES)
    annual_revenue = MoneyAmount(least=Decimal(0), allow_none=True)
    currency = Currency(allow_none=True)
    founded_year = fields.Integer(strict=True, allow_none=True, validate=_YEAR)
    parent_id = Reference(allow_none=True, metadata={"description": "The account that owns it."})
    owner_id = Reference(allow_none=True)
    source = Text(100, allow_none=True)
    consent = consent_field()
    created_on = fields.Date()
    custom = CustomValues(ACCOUNTS)


class NewAccount(AccountFields):
    """An account to add."""

    accept_duplicate = acceptance()


class AccountView(AccountFields):
    """An account as stored."""

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
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class AccountRow(CustomerCells, AccountFields):
    """An account as a row of a file has it; parent and owner go by external id or name."""

    class Meta:
        exclude = ("parent_id", "owner_id", "postal_addresses", "consent", "custom")

    phones = ListCell(Phone(right=PHONE_RIGHT), validate=_ENTRIES)
    emails = ListCell(Email(), validate=_ENTRIES)
    addresses = ListCell(Text(LONGEST), validate=_ENTRIES)
    tags = ListCell(TagKey(), validate=validate.Length(max=MOST_TAGS))
    employees = fields.Integer(validate=_EMPLOYEES)
    founded_year = fields.Integer(validate=_YEAR)
    parent = Text(200)
    owner = Text(200)
    on_duplicate = on_duplicate()


class AccountColumns(CustomerCells, AccountView):
    """An account as a row of an export has it."""

    class Meta:
        exclude = ("postal_addresses", "consent")
