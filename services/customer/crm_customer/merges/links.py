"""What contacts are at accounts, when one of those is merged into another and parted again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update
from sqlalchemy.orm import Session

from crm_customer.accounts.models import Account
from crm_customer.contacts.events import contact_changed
from crm_customer.contacts.models import AccountContact, Contact

Row = dict[str, Any]

_BATCH = 500


def moved_links(session: Session, survivor: Any, merged: Any) -> tuple[list[Row], list[Row]]:
    """What the merged record's links become: the survivor's, with the roles of both where both had
    one. A contact is also still at the account that was the merged contact's primary one.

    :returns: the rows as they stand, and those that are to stand in their place.
    """
    mine, other = _columns(type(survivor))
    table = AccountContact.__table__
    statement = select(table).where(table.c[mine].in_((merged.id, survivor.id)))
    found = [dict(row) for row in session.execute(statement).mappings()]
    moving = {row[other]: row for row in found if row[mine] == merged.id}
    before = [row for row in found if row[other] in moving]
    roles: dict[str, list[str]] = {key: [] for key in moving}
    for row in sorted(before, key=lambda row: row[mine] == merged.id):
        roles[row[other]] = list(dict.fromkeys([*roles[row[other]], *row["roles"]]))
    known = {None, *(row[other] for row in found)}
    if isinstance(merged, Contact) and merged.account_id not in known | {survivor.account_id}:
        roles[merged.account_id] = []
    return before, [{mine: survivor.id, other: key, "roles": has} for key, has in roles.items()]


def replace(session: Session, gone: Sequence[Row], come: Sequence[Row]) -> None:
    """Have these rows stand in place of those."""
    table = AccountContact.__table__
    if gone:
        this = (
            table.c.account_id == bindparam("account"),
            table.c.contact_id == bindparam("contact"),
        )
        session.execute(
            delete(table).where(*this),
            [{"account": row["account_id"], "contact": row["contact_id"]} for row in gone],
        )
    if come:
        session.execute(insert(table), [dict(row) for row in come])


def publish_contacts(session: Session, ids: set[str]) -> None:
    """Tell of contacts whose links changed, and nothing else of them."""
    wanted = sorted(ids)
    for start in range(0, len(wanted), _BATCH):
        batch = wanted[start : start + _BATCH]
        session.execute(
            update(Contact)
            .where(Contact.id.in_(batch))
            .values(version=Contact.version + 1)
            .execution_options(synchronize_session=False)
        )
        statement = select(Contact).where(Contact.id.in_(batch))
        for contact in session.scalars(statement, execution_options={"populate_existing": True}):
            contact_changed(session, contact)


def _columns(model: type[Any]) -> tuple[str, str]:
    """The column of the records that are merged, and the other one."""
    return ("account_id", "contact_id") if model is Account else ("contact_id", "account_id")
