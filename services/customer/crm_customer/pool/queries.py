"""What is asked about the pool."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zlib import crc32

from sqlalchemy import Select, func, or_, select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal, current_principal, rows_in_scope
from crm_chassis.database import lock
from crm_customer.accounts.models import Account
from crm_customer.ownership import OwnershipChange
from crm_customer.pool.models import SETTINGS_ID, PoolRule, PoolSettings

READ, CLAIM, ASSIGN = "customer.pool.read", "customer.pool.claim", "customer.pool.assign"
RELEASE = "customer.pool.release"

_log = OwnershipChange


def settings(session: Session) -> PoolSettings:
    """The limits in force."""
    return session.get_one(PoolSettings, SETTINGS_ID)


def pooled() -> Select[tuple[Account]]:
    """The accounts of nobody that the current principal sees; those without a team all see."""
    return select(Account).where(
        Account.owner_id.is_(None),
        Account.merged_into.is_(None),
        or_(
            Account.team_id.is_(None),
            rows_in_scope(current_principal(), READ, Account.owner_id, Account.team_id),
        ),
    )


def was_taken(session: Session, account_id: str) -> bool:
    """True when an account was in the part of the pool that the current principal sees."""
    reached = or_(
        _log.from_team_id.is_(None),
        rows_in_scope(current_principal(), READ, _log.from_owner_id, _log.from_team_id),
    )
    last = (
        select(_log.id)
        .where(_log.account_id == account_id, _log.from_owner_id.is_(None), reached)
        .limit(1)
    )
    return session.scalar(last) is not None


def held(session: Session, user_id: str) -> int:
    """How many customers a user holds who came by claiming."""
    claimed = select(func.count()).where(
        Account.owner_id == user_id,
        Account.claimed_at.is_not(None),
        Account.merged_into.is_(None),
    )
    return session.scalar(claimed) or 0


def claims_since(session: Session, user_id: str, since: datetime) -> int:
    """How many customers a user claimed since a time."""
    claims = select(func.count()).where(
        _log.to_owner_id == user_id, _log.reason == "claimed", _log.changed_at >= since
    )
    return session.scalar(claims) or 0


def given_up_at(session: Session, account_id: str, user_id: str) -> datetime | None:
    """When a user last ceased to be the owner of an account that went to the pool."""
    last = func.max(_log.changed_at)
    return session.scalar(
        select(last).where(
            _log.account_id == account_id,
            _log.from_owner_id == user_id,
            _log.to_owner_id.is_(None),
        )
    )


def active_rules(session: Session) -> list[PoolRule]:
    """The rules in force, those that go before others first."""
    rules = session.scalars(select(PoolRule).where(PoolRule.active)).all()
    return sorted(rules, key=lambda rule: (rule.team_id is None, rule.level is None, rule.id))


def warned(statement: Select[Any]) -> Select[Any]:
    """``statement`` with the accounts alone that go back to the pool before long."""
    return statement.where(Account.return_due_at.is_not(None), Account.merged_into.is_(None))


def user_lock(session: Session, principal: Principal) -> None:
    """Let no other claim of the same user go on until the transaction ends.

    Else two at once could each be within the limit, and both together beyond it.
    """
    lock(session, crc32(f"customer.pool.claim:{principal.id}".encode()))
