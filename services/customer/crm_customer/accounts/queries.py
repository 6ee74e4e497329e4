"""What is asked about accounts and the trees they form."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from crm_chassis.auth import visible
from crm_chassis.problems import invalid
from crm_customer.accounts.models import Account

READ = "customer.accounts.read"

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
    """Let no other transaction move an account in its tree until this one ends.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_TREE_LOCK)))


def stands_below(session: Session, account_id: str, other_id: str) -> bool:
    """True when the other account owns this one, at whatever distance, or is this one."""
    link = select(Account.id, Account.parent_id)
    above = link.where(Account.id == account_id).cte("above", recursive=True)
    above = above.union(link.join(above, Account.id == above.c.parent_id))
    return session.scalar(select(above.c.id).where(above.c.id == other_id)) is not None
