"""Rows of a file that may be there already."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.imports import Row
from crm_chassis.merged_keys import current_keys
from crm_customer.duplicates.identity import Identity, identity_of, keys_of
from crm_customer.duplicates.models import ACCEPT, REJECT, UPDATE
from crm_customer.duplicates.queries import (
    alike,
    threshold,
    without_phones,
)
from crm_customer.duplicates.scoring import compare
from crm_customer.kinds import KINDS, KindName

_BLANK = dict.fromkeys(("phones", "emails", "addresses", "region"))

Instead = dict[Any, Any]
"""The key of a row to the record that the row changes, though that has another key."""


def rounds(
    session: Session, principal: Principal, kind: KindName, key: str, rows: Sequence[Row]
) -> Iterator[tuple[list[Row], Instead]]:
    """The rows in the order in which they can be stored, with the records some of them change.

    A row with the key of a merged record changes the one that stands for it. Of rows that are like
    each other the later waits for the earlier to be stored, which is up to the caller.
    """
    asked = {row.number: row.values.pop("on_duplicate", ACCEPT) for row in rows}
    good = [row for row in rows if not row.refused]
    column = getattr(KINDS[kind].model, key)
    keys = {row.values[key] for row in good}
    stored = set(session.scalars(select(column).where(column.in_(keys))))
    fresh = [row for row in good if asked[row.number] != ACCEPT and row.values[key] not in stored]
    waiting = {row.number for row in fresh}
    yield (
        [row for row in good if row.number not in waiting],
        _survivors(session, kind, key, stored),
    )
    if not fresh:
        return
    least = threshold(session, kind, "entry_from")
    while fresh:
        identities = {row.number: _identity(principal, kind, row) for row in fresh}
        now, fresh = _apart(fresh, identities, least)
        yield _settled(session, kind, key, now, asked, [identities[row.number] for row in now])


def _survivors(session: Session, kind: KindName, key: str, keys: set[Any]) -> Instead:
    """What stands for the merged ones among the records with these keys."""
    model = KINDS[kind].model
    column = getattr(model, key)
    statement = select(column, model.id).where(column.in_(keys), model.merged_into.is_not(None))
    merged = dict(session.execute(statement).tuples().all())
    if not merged:
        return {}
    current = current_keys(session, merged.values())
    found = session.scalars(select(model).where(model.id.in_(set(current.values()))))
    records = {record.id: record for record in found}
    return {value: records[current[record_id]] for value, record_id in merged.items()}


def _identity(principal: Principal, kind: KindName, row: Row) -> Identity:
    values = {**_BLANK, "kind": "business", **row.values, "id": str(row.number)}
    identity = identity_of(kind, SimpleNamespace(**values))
    return identity if principal.may(KINDS[kind].phone) else without_phones(identity)


def _apart(
    rows: Sequence[Row], identities: dict[int, Identity], least: int
) -> tuple[list[Row], list[Row]]:
    """The rows that are like no earlier one, and the others."""
    apart: list[Row] = []
    later: list[Row] = []
    holders: dict[int, list[Identity]] = {}
    for row in rows:
        identity = identities[row.number]
        keys = keys_of(identity)
        near = {other.id: other for key in keys for other in holders.get(key, ())}
        if any(compare(identity, other).score >= least for other in near.values()):
            later.append(row)
            continue
        apart.append(row)
        for key in keys:
            holders.setdefault(key, []).append(identity)
    return apart, later


def _settled(
    session: Session,
    kind: KindName,
    key: str,
    rows: Sequence[Row],
    asked: dict[int, str],
    identities: Sequence[Identity],
) -> tuple[list[Row], Instead]:
    """Refuse the rows that are to be rejected, and find what the others change."""
    found = alike(session, kind, identities, "entry_from")
    best = {int(each.one.id): each for each in reversed(found)}
    model = KINDS[kind].model
    updated = {
        best[row.number].other.id
        for row in rows
        if asked[row.number] == UPDATE and row.number in best
    }
    records = {
        each.id: each for each in session.scalars(select(model).where(model.id.in_(updated)))
    }
    instead: Instead = {}
    for row in (row for row in rows if row.number in best):
        other, match = best[row.number].other, best[row.number].match
        if asked[row.number] == REJECT:
            row.refuse("name", f"May be {other.id} already: {', '.join(match.reasons)}.")
        else:
            instead[row.values[key]] = records[other.id]
    return [row for row in rows if not row.refused], instead
