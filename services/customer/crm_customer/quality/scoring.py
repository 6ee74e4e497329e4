"""How complete and how valid a record is, in percent. What counts how much stands here alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import phonenumbers
from email_validator import EmailNotValidError

from crm_chassis.fields import normalised_email
from crm_chassis.phones import parsed
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact

_COMMON = {
    "phones": 20,
    "emails": 20,
    "addresses": 15,
    "consent": 10,
    "owner_id": 10,
    "region": 5,
    "source": 5,
}
WEIGHTS: Mapping[type[Any], Mapping[str, int]] = {
    Account: {**_COMMON, "industry": 10, "website": 5},
    Contact: {**_COMMON, "job_title": 10, "account_id": 5},
}
"""What each field adds to a record's completeness where it is filled; 100 in all."""

VALIDITY_WEIGHTS = {"phones": 35, "emails": 35, "addresses": 20, "consent": 10}
"""What each field adds to a record's validity where it is filled."""

_CHANNEL_FIELDS = {"email": "emails", "phone": "phones", "sms": "phones", "post": "addresses"}
_LEAST_ADDRESS = 6  # characters
_PLACEHOLDER = re.compile(r"(.)\1{2,}|n/?a|none|unknown|test|tbd|no-?reply|-+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Quality:
    """The quality of a record, in percent.

    :ivar missing: the fields that are empty.
    :ivar faults: (field, detail) of each thing that is wrong; a record without any is valid.
    """

    completeness: int
    validity: int
    missing: tuple[str, ...]
    faults: tuple[tuple[str, str], ...]

    @property
    def quality(self) -> int:
        return self.completeness * self.validity // 100


def quality_of(record: Any) -> Quality:
    """Look at an account or a contact."""
    weights = WEIGHTS[type(record)]
    missing = tuple(field for field in weights if not getattr(record, field))
    faults = tuple(_faults(record, missing))
    faulty = {field for field, _ in faults}
    filled = {name: each for name, each in VALIDITY_WEIGHTS.items() if name not in missing}
    sound = sum(weight for field, weight in filled.items() if field not in faulty)
    reachable = not _CHECKS.keys() <= set(missing)
    return Quality(
        completeness=100 - sum(weights[field] for field in missing),
        validity=100 * sound // sum(filled.values()) if reachable else 0,
        missing=missing,
        faults=faults,
    )


def _faults(record: Any, missing: Collection[str]) -> Iterator[tuple[str, str]]:
    for field, check in _CHECKS.items():
        for text in getattr(record, field) if field not in missing else ():
            if fault := check(text):
                yield field, fault
    if _CHECKS.keys() <= set(missing):
        yield "phones", "No way to reach the customer."
    for channel, said in (record.consent or {}).items():
        field = _CHANNEL_FIELDS.get(channel)
        if field in missing and said["state"] == "granted":
            yield "consent", f"Granted for {channel}, of which nothing is known."


def _phone_fault(phone: str) -> str | None:
    if not phone.startswith("+"):
        return "Not in international form."
    try:
        valid = phonenumbers.is_valid_number(parsed(phone))
    except phonenumbers.NumberParseException:
        valid = False
    return None if valid else "No such number can be."


def _email_fault(email: str) -> str | None:
    try:
        normalised_email(email)
    except EmailNotValidError as error:
        return str(error)
    return "A placeholder." if _PLACEHOLDER.fullmatch(email.partition("@")[0]) else None


def _address_fault(address: str) -> str | None:
    if len(address) < _LEAST_ADDRESS or _PLACEHOLDER.fullmatch(address.strip()):
        return "Not an address."
    return None


_CHECKS: Mapping[str, Callable[[str], str | None]] = {
    "phones": _phone_fault,
    "emails": _email_fault,
    "addresses": _address_fault,
}
"""The ways to reach a customer, and what finds a fault in one."""
