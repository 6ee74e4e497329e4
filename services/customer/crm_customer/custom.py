"""The resources here that take custom fields, and what those may point to."""

from __future__ import annotations

from sqlalchemy import Select, select

from crm_chassis import directory
from crm_chassis.auth import visible
from crm_chassis.custom_fields import CustomResource, ReferenceTarget
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact
from crm_customer.kinds import ACCOUNT, CONTACT


def _reachable_accounts() -> Select[tuple[str]]:
    return visible(select(Account.id), Account, ACCOUNT.read)


def _reachable_contacts() -> Select[tuple[str]]:
    return visible(select(Contact.id), Contact, CONTACT.read)


_TARGETS = {
    "accounts": ReferenceTarget(Account.__table__, _reachable_accounts),
    "contacts": ReferenceTarget(Contact.__table__, _reachable_contacts),
    "users": ReferenceTarget(directory.users, lambda: select(directory.users.c.id)),
}

ACCOUNTS = CustomResource(Account, "customer.accounts.personal", _TARGETS)
CONTACTS = CustomResource(Contact, "customer.contacts.personal", _TARGETS)
