"""Accounts as requests and answers have them."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

from marshmallow import ValidationError, fields, validate

from crm_chassis.custom_fields import CustomValues
from crm_chassis.fields import (
    Currency,
    ListCell,
    MoneyAmount,
    Phone,
    Reference,
    Text,
)
from crm_customer.accounts.models import KINDS
from crm_customer.custom import ACCOUNTS
from crm_customer.duplicates.schemas import acceptance
from crm_customer.kinds import ACCOUNT
from crm_customer.records import (
    ENTRIES,
    CustomerCells,
    CustomerFields,
    CustomerRow,
    StoredCustomer,
    phones_typed,
)

PHONE_RIGHT = ACCOUNT.phone

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


class AccountFields(CustomerFields):
    """What a client says of an account."""

    kind = fields.String(validate=validate.OneOf(KINDS))
    industry = Text(100, allow_none=True)
    phones = fields.List(Phone(right=PHONE_RIGHT), validate=ENTRIES)
    website = Website(allow_none=True)
    employees = fields.Integer(strict=True, allow_none=True, validate=_EMPLOYEES)
    annual_revenue = MoneyAmount(least=Decimal(0), allow_none=True)
    currency = Currency(allow_none=True)
    founded_year = fields.Integer(strict=True, allow_none=True, validate=_YEAR)
    parent_id = Reference(allow_none=True, metadata={"description": "The account that owns it."})
    custom = CustomValues(ACCOUNTS)


class NewAccount(AccountFields):
    """An account to add."""

    accept_duplicate = acceptance()


class AccountView(StoredCustomer, AccountFields):
    """An account as stored."""

    phones_typed = phones_typed(PHONE_RIGHT)


class AccountRow(CustomerRow, AccountFields):
    """An account as a row of a file has it; parent and owner go by external id or name."""

    class Meta:
        exclude = ("parent_id", "owner_id", "postal_addresses", "consent", "custom")

    phones = ListCell(Phone(right=PHONE_RIGHT), validate=ENTRIES)
    employees = fields.Integer(validate=_EMPLOYEES)
    founded_year = fields.Integer(validate=_YEAR)
    parent = Text(200)


class AccountColumns(CustomerCells, AccountView):
    """An account as a row of an export has it."""

    class Meta:
        exclude = ("postal_addresses", "consent")
