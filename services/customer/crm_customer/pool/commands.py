"""What can be done with customers of nobody, and how customers become that."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign as give
from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal, forbidden
from crm_chassis.calendar import start_of, today
from crm_chassis.database import UTCDateTime, new_id, utc_now
from crm_chassis.problems import Problem, conflict, invalid, not_found
from crm_customer import replicas
from crm_customer.accounts import events as account_events
from crm_customer.accounts.models import Account
from crm_customer.contacts import events as contact_events
from crm_customer.contacts.models import Contact
from crm_customer.ownership import Owner, owner_changed
from crm_customer.pool import events, queries
from crm_customer.pool.models import PoolRule

BATCH = 500
"""Accounts that are warned of, or returned, in one transaction."""
MOST_RULES = 200

_NEVER = datetime.min.replace(tzinfo=UTC)


def claim(session: Session, principal: Principal, account_id: str) -> Account:
    """Take a customer out of the pool, for oneself.

    :raises Problem: 404 when it was never in the part of the pool that the principal sees; 409
        when somebody else was faster, or the principal may claim no more.
    """
    if principal.kind != "user":
        raise forbidden("of a user: a program follows nobody up")
    queries.user_lock(session, principal)
    account = _locked(session, account_id)
    _require_below_limits(session, principal, account)
    before = Owner.of(account)
    account.owner_id, account.team_id = principal.id, principal.team_id
    _moved(session, [(account, before)], "claimed", utc_now())
    return account


def assign(session: Session, account_id: str, owner_id: str) -> Account:
    """Give a customer of nobody to a user.

    :raises Problem: 404 or 409 as for :func:`claim`; 422 for no such user, 403 for one out of
        the permission's scope.
    """
    account = _locked(session, account_id)
    before = Owner.of(account)
    give(session, account, owner_id, queries.ASSIGN)
    _moved(session, [(account, before)], "assigned", utc_now())
    return account


def release(session: Session, account: Account, reason: str) -> Account:
    """Give a customer back to the pool of its team.

    :raises Problem: 409 when it is in the pool, or another record stands for it.
    """
    account.require_standing()
    if account.owner_id is None:
        raise conflict("The account is in the pool.")
    before = Owner.of(account)
    account.owner_id = None
    _moved(session, [(account, before)], "released", utc_now(), note=reason)
    return account


def _locked(session: Session, account_id: str) -> Account:
    chosen = queries.pooled().where(Account.id == account_id)
    account = session.scalars(chosen.with_for_update(of=Account)).one_or_none()
    if account is None:
        if queries.was_taken(session, account_id):
            raise conflict("Somebody else has the account already.")
        raise not_found("account in the pool")
    return account


def _require_below_limits(session: Session, principal: Principal, account: Account) -> None:
    limits = queries.settings(session)
    most = limits.most_claimed
    if most is not None and queries.held(session, principal.id) >= most:
        raise _beyond(f"You hold {most} claimed customers, and may hold no more.")
    a_day = limits.most_claims_a_day
    since = start_of(session, today(session))
    if a_day is not None and queries.claims_since(session, principal.id, since) >= a_day:
        raise _beyond(f"You claimed {a_day} customers today, and may claim no more.")
    if days := limits.reclaim_after_days:
        given_up = queries.given_up_at(session, account.id, principal.id)
        if given_up and given_up > utc_now() - timedelta(days=days):
            raise _beyond(f"It was yours; you may claim it back after {days} days.")


def _beyond(detail: str) -> Problem:
    return Problem(409, "claim-limit", detail)


def _moved(
    session: Session,
    accounts: Sequence[tuple[Account, Owner]],
    reason: str,
    now: datetime,
    note: str | None = None,
) -> None:
    """Log and tell that accounts have another owner, and take along the contacts that the former
    owner has there.
    """
    former: dict[str, tuple[Account, Owner]] = {}
    for account, before in accounts:
        former[account.id] = account, before
        change = owner_changed(session, account, before, reason, note, now)
        account_events.account_changed(session, account, change=change)
    contacts = session.scalars(
        select(Contact).where(Contact.account_id.in_(former), Contact.merged_into.is_(None))
    )
    for contact in contacts:
        account, before = former[str(contact.account_id)]
        if contact.owner_id == before.owner_id:
            contact.owner_id, contact.team_id = account.owner_id, account.team_id
            contact_events.contact_changed(session, contact)


def add_rule(session: Session, values: dict[str, Any]) -> PoolRule:
    """Add a rule.

    :raises Problem: 409 when there is one for the same team and level, or too many.
    """
    if (session.scalar(select(func.count()).select_from(PoolRule)) or 0) >= MOST_RULES:
        raise conflict(f"There are {MOST_RULES} rules, and cannot be more.")
    rule = PoolRule(id=new_id(), scope=_scope(values), **values)
    _require_only(session, rule)
    session.add(rule)
    _terms_changed(session)
    return rule


def change_rule(session: Session, rule: PoolRule, changes: dict[str, Any]) -> None:
    """Change a rule.

    :raises Problem: 409 like :func:`add_rule`; 422 for a warning that would come too early.
    """
    if change_fields(rule, changes):
        if rule.warn_days >= rule.days:
            raise invalid(("warn_days", "Less than the days."))
        rule.scope = _scope({"team_id": rule.team_id, "level": rule.level})
        _require_only(session, rule)
        _terms_changed(session)


def delete_rule(session: Session, rule: PoolRule) -> None:
    """Delete a rule."""
    session.delete(rule)
    _terms_changed(session)


def _scope(values: dict[str, Any]) -> str:
    return f"{values['team_id'] or '*'}/{values['level'] or '*'}"


def _require_only(session: Session, rule: PoolRule) -> None:
    same = select(PoolRule.id).where(PoolRule.scope == rule.scope, PoolRule.id != rule.id)
    if session.scalar(same) is not None:
        raise conflict("There is a rule for this team and level already.")


def _terms_changed(session: Session) -> None:
    """Whoever was warned under other terms is warned anew, if these ask for it."""
    accounts = Account.__table__
    session.execute(
        update(accounts)
        .where(accounts.c.return_due_at.is_not(None))
        .values(return_due_at=None, updated_at=accounts.c.updated_at)
    )


def keep_moving(session: Session, now: datetime) -> bool:
    """Warn of, and do, the returns that are due: one batch of each.

    :returns: True when there may be more at once.
    """
    rules = queries.active_rules(session)
    if not rules:
        return False
    warned = _warn(session, rules, now)
    session.flush()
    returned = _return(session, now)
    return max(warned, returned) == BATCH


def _warn(session: Session, rules: Sequence[PoolRule], now: datetime) -> int:
    bounds = [now - timedelta(days=rule.days - rule.warn_days) for rule in rules]
    bound = case(
        *(
            (_falls_under(rule), literal(before, UTCDateTime))
            for rule, before in zip(rules, bounds, strict=True)
        ),
    )
    neglected = (
        select(Account)
        .where(
            Account.followed_up_at <= max(bounds),  # for the index
            Account.followed_up_at <= bound,
            or_(Account.owned_since.is_(None), Account.owned_since <= bound),
            Account.owner_id.is_not(None),
            Account.merged_into.is_(None),
            Account.return_due_at.is_(None),
            ~_has_open_deal(),
        )
        .order_by(Account.followed_up_at, Account.id)
        .limit(BATCH)
    )
    accounts = session.scalars(neglected.with_for_update(of=Account, skip_locked=True)).all()
    for account in accounts:
        rule = next(rule for rule in rules if _fits(rule, account))
        since = max(account.last_contacted_at or account.created_at, account.owned_since or _NEVER)
        due_at = since + timedelta(days=rule.days)
        account.return_due_at = max(due_at, now + timedelta(days=rule.warn_days))
        if rule.warn_days:
            events.return_warned(session, account)
    return len(accounts)


def _return(session: Session, now: datetime) -> int:
    due = (
        select(Account, _has_open_deal().label("has_open_deal"))
        .where(
            Account.return_due_at <= now,
            Account.owner_id.is_not(None),
            Account.merged_into.is_(None),
        )
        .order_by(Account.return_due_at, Account.id)
        .limit(BATCH)
    )
    found = session.execute(due.with_for_update(of=Account, skip_locked=True)).tuples().all()
    returned = []
    for account, has_open_deal in found:
        if has_open_deal:
            account.return_due_at = None
        else:
            returned.append((account, Owner.of(account)))
            account.owner_id = None
    _moved(session, returned, "returned", now)
    return len(found)


def _falls_under(rule: PoolRule) -> ColumnElement[bool]:
    return and_(
        Account.team_id == rule.team_id if rule.team_id else true(),
        Account.level == rule.level if rule.level else true(),
    )


def _fits(rule: PoolRule, account: Account) -> bool:
    return rule.team_id in (None, account.team_id) and rule.level in (None, account.level)


def _has_open_deal() -> ColumnElement[bool]:
    deals = replicas.deals.c
    return exists().where(deals.account_id == Account.id, deals.stage_type == "open")
