"""Accounts and contacts, as far as both are treated alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import event

from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact

KindName = Literal["account", "contact"]
Model = type[Account] | type[Contact]


@dataclass(frozen=True, slots=True)
class Kind:
    """Accounts, or contacts.

    :ivar read: the right to see one; :ivar write: to change one; :ivar phone: to see telephone
        numbers in full.
    :ivar key: the column by which other tables name one.
    """

    name: KindName
    model: Model
    read: str
    write: str
    phone: str
    key: str


ACCOUNT = Kind(
    "account",
    Account,
    read="customer.accounts.read",
    write="customer.accounts.write",
    phone="customer.accounts.phone",
    key="account_id",
)
CONTACT = Kind(
    "contact",
    Contact,
    read="customer.contacts.read",
    write="customer.contacts.write",
    phone="customer.contacts.phone",
    key="contact_id",
)
KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (ACCOUNT, CONTACT)}
KIND_NAMES = (ACCOUNT.name, CONTACT.name)


def of_kind(kind: Kind, customers: Mapping[str, str]) -> list[str]:
    """Those of the customers, given by id with the names of their kinds, that are of one."""
    return [customer_id for customer_id, name in customers.items() if name == kind.name]


def on_customers(moment: str, handler: Callable[[Any, Any, Any], None]) -> None:
    """Have a handler see each account and contact at a moment of a flush, such as
    ``before_insert``, from now on; once, however often it is asked for.
    """
    for kind in KINDS.values():
        if not event.contains(kind.model, moment, handler):
            event.listen(kind.model, moment, handler)
