"""What is asked about accounts and the trees they form."""

from __future__ import annotations

from sqlalchemy import CTE, ColumnElement, select
from sqlalchemy.orm import Session

from crm_chassis.auth import visible
from crm_chassis.database import lock
from crm_chassis.problems import invalid
from crm_customer.accounts.models import Account
from crm_customer.kinds import ACCOUNT

READ = ACCOUNT.read

_TREE_LOCK = 7240616


def require_visible(session: Session, account_id: str, field: str) -> None:
    """Take the id of an account from a request.

    :raises Problem: 422 naming ``field``, whether it is not there or not visible to the current
        principal.
    """
    wanted = visible(select(Account.id).where(Account.id == account_id), Account, READ)
    if session.scalar(wanted) is None:
        raise invalid((field, "No such account."))


def lock_trees(session: Session) -> None:
    """Let no other transaction move an account in its tree until this one ends."""
    lock(session, _TREE_LOCK)


def stands_below(session: Session, account_id: str, other_id: str) -> bool:
    """True when the other account owns this one, at whatever distance, or is this one."""
    above = _above(account_id)
    return session.scalar(select(above.c.id).where(above.c.id == other_id)) is not None


def _above(account_id: str) -> CTE:
    """An account and all that own it."""
    link = select(Account.id, Account.parent_id)
    above = link.where(Account.id == account_id).cte("above", recursive=True)
    return above.union(link.join(above, Account.id == above.c.parent_id))


def subsidiaries(account_id: str) -> ColumnElement[bool]:
    """The condition that an account is owned by this one, at whatever distance."""
    below = select(Account.id).where(Account.parent_id == account_id).cte("below", recursive=True)
    below = below.union(select(Account.id).join(below, Account.parent_id == below.c.id))
    return Account.id.in_(select(below.c.id))


def owners(session: Session, account: Account) -> list[Account]:
    """The accounts that own this one, the nearest first, less those that the current principal
    cannot see."""
    above = _above(account.id)
    parents = dict(session.execute(select(above.c.id, above.c.parent_id)).tuples().all())
    order: list[str] = []
    owner = account.parent_id
    while owner is not None and owner not in order:
        order.append(owner)
        owner = parents.get(owner)
    found = session.scalars(visible(select(Account).where(Account.id.in_(order)), Account, READ))
    return sorted(found, key=lambda each: order.index(each.id))
