"""What is asked about contacts and the accounts they are at."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, or_, select, union

from crm_customer.contacts.models import AccountContact, Contact


def at_account(account_id: str, roles: Collection[str] = ()) -> ColumnElement[bool]:
    """The condition that a contact is at an account, in one of the roles where some are given."""
    linked = select(AccountContact.contact_id).where(AccountContact.account_id == account_id)
    if roles:
        in_role = or_(*(AccountContact.roles.holds(role) for role in roles))
        return Contact.id.in_(linked.where(in_role))
    primary = select(Contact.id).where(Contact.account_id == account_id)
    return Contact.id.in_(union(primary, linked))
