"""What can be done with accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar, directory
from crm_chassis.aggregate import assign, change_fields, default_owner, owned_by
from crm_chassis.auth import Principal, require
from crm_chassis.custom_fields import declared_fields, require_values, resolve_references
from crm_chassis.database import new_id
from crm_chassis.imports import Row, resolve_owner, upsert
from crm_chassis.merged_keys import current_key
from crm_chassis.problems import Problem, invalid
from crm_customer.accounts import events, queries
from crm_customer.accounts.models import Account
from crm_customer.consent import log_consent
from crm_customer.custom import ACCOUNTS
from crm_customer.duplicates.imports import rounds
from crm_customer.kinds import ACCOUNT
from crm_customer.ownership import Owner, owner_changed
from crm_customer.pool.queries import RELEASE
from crm_customer.records import first_known, put_together
from crm_customer.tags.bearing import as_given
from crm_customer.tags.commands import resolve_tags

WRITE = ACCOUNT.write


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Account:
    """Add an account; it belongs to the given owner, or else to who adds it.

    :raises Problem: 403 for a user who may release none and gives it to nobody; 422 when there is
        no such parent, or a revenue is given without its currency.
    """
    if parent_id := values.get("parent_id"):
        queries.require_visible(session, parent_id, "parent_id")
    owner_id = values.get("owner_id", default_owner(principal))
    if owner_id is None and principal.kind == "user":
        require(RELEASE)
    account = _new(values, today)
    assign(session, account, owner_id, WRITE)
    session.add(account)
    log_consent(session, account, {})
    events.account_created(session, account)
    return account


def _new(values: dict[str, Any], today: date) -> Account:
    _require_currency(values)
    return Account(**{"id": new_id(), "created_on": today} | first_known(values))


def change(session: Session, account: Account, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 409 when the account would go to the pool or leave it; 422 when there is no
        such parent, the account would own itself, or a revenue is left without its currency.
    """
    account.require_standing()
    _require_no_pool_move(account, changes, "owner_id")
    parent_id = changes.get("parent_id")
    if parent_id and parent_id != account.parent_id:
        queries.require_visible(session, parent_id, "parent_id")
    _require_consistent(session, account, changes, "parent_id")
    consent, changes = account.consent, put_together(account, changes)
    before = Owner.of(account)
    if "owner_id" in changes and changes["owner_id"] != account.owner_id:
        assign(session, account, changes["owner_id"], WRITE)
        change_fields(account, changes)
    elif not change_fields(account, changes):
        return False
    log_consent(session, account, consent)
    events.account_changed(session, account, change=owner_changed(session, account, before))
    return True


def _require_no_pool_move(account: Account, changes: Mapping[str, Any], owner_field: str) -> None:
    """The pool has operations of its own, with rights, limits and reasons.

    :raises Problem: 409 when the owner would be nobody, or is; named as ``owner_field``.
    """
    owner_id = changes.get("owner_id", account.owner_id)
    if owner_id == account.owner_id or (owner_id and account.owner_id):
        return
    path = f"/v1/pool/{account.id}"
    detail = f"It is nobody's: take it with POST {path}/claim or {path}/assign."
    if owner_id is None:
        detail = f"Give it back with POST {path}/release, and a reason."
    raise Problem(409, "conflict", detail, errors=[(owner_field, detail)])


def _require_consistent(
    session: Session, account: Account, changes: Mapping[str, Any], parent_field: str
) -> None:
    """:raises Problem: 422; a wrong parent is named as ``parent_field``."""
    present = {"annual_revenue": account.annual_revenue, "currency": account.currency}
    _require_currency(present | dict(changes))
    parent_id = changes.get("parent_id")
    if parent_id is None or parent_id == account.parent_id:
        return
    session.flush()  # parents given earlier in this transaction count
    queries.lock_trees(session)  # two moves at once could each be right, and a circle together
    if queries.stands_below(session, current_key(session, parent_id), account.id):
        raise invalid((parent_field, "The account would own itself."))


def _require_currency(values: Mapping[str, Any]) -> None:
    if values.get("annual_revenue") is not None and values.get("currency") is None:
        raise invalid(("currency", "Needed with annual_revenue."))


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert accounts; a row's parent may stand anywhere in the same chunk, or before it."""
    resolve_owner(session, rows)
    declared = declared_fields(session, ACCOUNTS.name)
    resolve_references(session, ACCOUNTS, declared, rows)
    categories = resolve_tags(session, rows)
    today = calendar.today(session)

    def create_row(session: Session, values: dict[str, Any]) -> Account:
        require_values(declared, values)
        account = _new(owned_by(principal) | values | as_given(values, None, categories), today)
        session.add(account)
        log_consent(session, account, {})
        events.account_created(session, account)
        return account

    def change_row(session: Session, account: Account, values: dict[str, Any]) -> bool:
        _require_no_pool_move(account, values, "owner")
        _require_consistent(session, account, values, "parent")
        consent, before = account.consent, Owner.of(account)
        given = values | as_given(values, account, categories)
        if not change_fields(account, put_together(account, given)):
            return False
        log_consent(session, account, consent)
        events.account_changed(session, account, change=owner_changed(session, account, before))
        return True

    waiting = list(rows)
    while waiting:
        ready = _take_ready(session, waiting)
        for batch, instead in rounds(session, principal, "account", key, ready):
            upsert(
                session, Account, key, batch, create=create_row, change=change_row, instead=instead
            )
            session.flush()


def _take_ready(session: Session, waiting: list[Row]) -> list[Row]:
    """Take the rows out of ``waiting`` whose parents are stored by now, and give them their ids.

    When no parent will come any more, the rows that wait for one are refused.
    """
    parents = (row.values["parent"] for row in waiting if "parent" in row.values)
    known = directory.find(session, Account.__table__, parents)
    ready: list[Row] = []
    orphans: list[Row] = []
    for row in waiting:
        parent = row.values.get("parent")
        (ready if parent is None or parent in known else orphans).append(row)
    if not ready:
        for row in orphans:
            row.refuse("parent", "No account has this external id or name, or several have it.")
    waiting[:] = [row for row in orphans if not row.refused]
    for row in ready:
        if parent := row.values.pop("parent", None):
            row.values["parent_id"] = known[parent]
    return ready
