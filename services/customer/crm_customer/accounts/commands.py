"""What can be done with accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar, directory
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.custom_fields import declared_fields, require_values, resolve_references
from crm_chassis.database import new_id
from crm_chassis.imports import Row, resolve, upsert
from crm_chassis.merged_keys import current_key
from crm_chassis.problems import conflict, invalid
from crm_customer.accounts import events, queries
from crm_customer.accounts.models import Account
from crm_customer.consent import log_consent
from crm_customer.custom import ACCOUNTS
from crm_customer.duplicates.imports import rounds
from crm_customer.kinds import ACCOUNT
from crm_customer.ownership import Owner, owner_changed
from crm_customer.records import first_known, put_together
from crm_customer.tags.bearing import as_given
from crm_customer.tags.commands import resolve_tags

WRITE = ACCOUNT.write


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Account:
    """Add an account; it belongs to the given owner, or else to who adds it.

    :raises Problem: 422 when there is no such parent, or a revenue is given without its currency.
    """
    if parent_id := values.get("parent_id"):
        queries.require_visible(session, parent_id, "parent_id")
    account = _new(values, today)
    assign(session, account, values.get("owner_id", default_owner(principal)), WRITE)
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
    _require_no_pool_move(account, changes.get("owner_id", account.owner_id))
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


def _require_no_pool_move(account: Account, owner_id: str | None) -> None:
    """The pool has operations of its own, with rights, limits and reasons.

    :raises Problem: 409 when the owner would be nobody, or is.
    """
    if owner_id == account.owner_id:
        return
    if owner_id is None:
        raise conflict(f"Give it back with POST /v1/pool/{account.id}/release, and a reason.")
    if account.owner_id is None:
        path = f"/v1/pool/{account.id}"
        raise conflict(f"It is nobody's: take it with POST {path}/claim or {path}/assign.")


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
    resolve(session, rows, "owner", "owner_id", directory.users)
    declared = declared_fields(session, ACCOUNTS.name)
    resolve_references(session, ACCOUNTS, declared, rows)
    categories = resolve_tags(session, rows)
    teams = directory.teams_of(session, (row.values.get("owner_id") for row in rows))
    today = calendar.today(session)

    def create_row(session: Session, values: dict[str, Any]) -> Account:
        owner = {"owner_id": default_owner(principal), "team_id": principal.team_id}
        require_values(declared, values)
        account = _new(owner | values | as_given(values, None, categories), today)
        session.add(account)
        log_consent(session, account, {})
        events.account_created(session, account)
        return account

    def change_row(session: Session, account: Account, values: dict[str, Any]) -> bool:
        _require_consistent(session, account, values, "parent")
        consent, before = account.consent, Owner.of(account)
        given = values | as_given(values, account, categories)
        if not change_fields(account, put_together(account, given)):
            return False
        log_consent(session, account, consent)
        events.account_changed(session, account, change=owner_changed(session, account, before))
        return True

    for row in rows:
        if "owner_id" in row.values:
            row.values["team_id"] = teams.get(row.values["owner_id"])
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
