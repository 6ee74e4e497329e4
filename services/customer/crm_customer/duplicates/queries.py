"""Who may be the same as whom."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, and_, false, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session, aliased

from crm_chassis.auth import current_principal, rows_in_scope
from crm_customer.accounts.models import Account
from crm_customer.contacts.models import Contact
from crm_customer.duplicates.identity import Identity, identity_of, key_range, keys_of
from crm_customer.duplicates.models import (
    DuplicateCandidate,
    DuplicateThresholds,
    duplicate_keys,
)
from crm_customer.duplicates.scoring import Match, agreeing_keys, compare
from crm_customer.kinds import KINDS, KindName

MOST_ALIKE = 50
"""A key that more records have says nothing: they are not compared for its sake."""
_MOST_OF_A_FAMILY = 5  # with one telephone or mailbox; whom more have it in common is an office
_BATCH = 500

Moment = Literal["entry_from", "review_from"]
"""Which of a kind's thresholds counts: that of a new record, or that of the review queue."""


@dataclass(frozen=True, slots=True)
class Found:
    """Two records that are alike.

    :ivar one: the one that was asked about.
    """

    one: Identity
    other: Identity
    match: Match


def thresholds(session: Session, kind: KindName) -> DuplicateThresholds:
    """The thresholds of a kind, to be shown and set."""
    return session.get_one(DuplicateThresholds, kind)


def threshold(session: Session, kind: KindName, moment: Moment) -> int:
    """The score, in percent, from which on two records of a kind count as duplicates."""
    column = getattr(DuplicateThresholds, moment)
    return session.execute(select(column).where(DuplicateThresholds.kind == kind)).scalar_one()


def alike(
    session: Session, kind: KindName, asked: Sequence[Identity], moment: Moment
) -> list[Found]:
    """The stored records that are like those asked about, best first.

    :param asked: stored or not; two of them are compared when both are stored.
    :param moment: says which threshold is meant.
    """
    holders = holders_of(session, {key for identity in asked for key in keys_of(identity)})
    crowded = {key for key, ids in holders.items() if len(ids) > MOST_ALIKE}
    asked_ids = {identity.id for identity in asked}
    groups = (ids for key, ids in holders.items() if key not in crowded)
    met = (ids for ids in groups if len(ids) > 1 or ids[0] not in asked_ids)
    others = identities(session, kind, {each for ids in met for each in ids})
    if not others:
        return []
    least = threshold(session, kind, moment)
    shared = {key for key, ids in holders.items() if len(ids) > _MOST_OF_A_FAMILY}
    found = {}
    for one in asked:
        near = {each for key in keys_of(one) - crowded for each in holders.get(key, ())}
        for other in (others[each] for each in near if each in others and each != one.id):
            match = compare(one, other, shared)
            if match.score >= least:
                found[one.id, other.id] = Found(one, other, match)
    return sorted(found.values(), key=lambda each: (-each.match.score, each.other.id))


def holders_of(session: Session, keys: Collection[int]) -> dict[int, list[str]]:
    """The ids of the records that have the keys; of a key that many have, some."""
    if not keys:
        return {}
    columns = duplicate_keys.c
    place = func.row_number().over(partition_by=columns.key, order_by=columns.record_id)
    numbered = (
        select(columns.key, columns.record_id, place.label("place"))
        .where(columns.key.in_(keys))
        .subquery()
    )
    rows = session.execute(
        select(numbered.c.key, numbered.c.record_id).where(numbered.c.place <= MOST_ALIKE + 1)
    )
    holders: dict[int, list[str]] = defaultdict(list)
    for key, record_id in rows:
        holders[key].append(record_id)
    return holders


def alike_by_key(session: Session, kind: KindName, first: int, last: int) -> list[Found]:
    """The stored records for the review that are alike and share a key between two given ones."""
    least = threshold(session, kind, "review_from")
    columns = duplicate_keys.c
    rows = session.execute(
        select(columns.key, columns.record_id).where(columns.key.between(first, last))
    )
    holders: dict[int, list[str]] = defaultdict(list)
    for key, record_id in rows:
        holders[key].append(record_id)
    groups = [ids for ids in holders.values() if 2 <= len(ids) <= MOST_ALIKE]
    known = identities(session, kind, {each for ids in groups for each in ids})
    pairs = {pair for ids in groups for pair in combinations(sorted(known.keys() & set(ids)), 2)}
    likely = [
        (known[one], known[other])
        for one, other in pairs
        if compare(known[one], known[other]).score >= least
    ]
    shared = _shared(session, {key for pair in likely for key in agreeing_keys(*pair)})
    found = [Found(one, other, compare(one, other, shared)) for one, other in likely]
    return [each for each in found if each.match.score >= least]


def _shared(session: Session, keys: Iterable[int]) -> set[int]:
    holders = holders_of(session, list(keys))
    return {key for key, ids in holders.items() if len(ids) > _MOST_OF_A_FAMILY}


def count_keys(session: Session, kind: KindName) -> int:
    """How many keys the records of a kind have in all."""
    between = duplicate_keys.c.key.between(*key_range(kind))
    return session.scalar(select(func.count()).select_from(duplicate_keys).where(between)) or 0


_COLUMNS: Mapping[KindName, Sequence[InstrumentedAttribute[Any]]] = {
    "account": [
        getattr(Account, name)
        for name in ("id", "kind", "name", "phones", "emails", "addresses", "region", "website")
    ]
    + [Account.parent_id],
    "contact": [
        getattr(Contact, name)
        for name in ("id", "name", "phones", "emails", "addresses", "region", "birthday", "sex")
    ]
    + [Contact.account_id],
}


def identities(session: Session, kind: KindName, ids: Collection[str]) -> dict[str, Identity]:
    """The identities of the records that stand for themselves, by id."""
    model, wanted = KINDS[kind].model, sorted(ids)
    found: dict[str, Identity] = {}
    for start in range(0, len(wanted), _BATCH):
        statement = select(*_COLUMNS[kind]).where(
            model.id.in_(wanted[start : start + _BATCH]), model.merged_into.is_(None)
        )
        if kind == "contact":
            statement = statement.add_columns(Account.name.label("account_name")).outerjoin(
                Account, Contact.account_id == Account.id
            )
        for row in session.execute(statement):
            found[row.id] = identity_of(kind, row)
    return found


def without_phones(identity: Identity) -> Identity:
    """What is left for somebody who may not see telephone numbers to compare."""
    return replace(identity, phones=frozenset())


def visible_ids(session: Session, kind: KindName, ids: Collection[str]) -> set[str]:
    """Those of the records that the current principal may read."""
    principal, model, read = current_principal(), KINDS[kind].model, KINDS[kind].read
    if not ids or not principal.may(read):
        return set()
    scope = rows_in_scope(principal, read, model.owner_id, model.team_id)
    return set(session.scalars(select(model.id).where(model.id.in_(ids), scope)))


def visible_candidates(kinds: Sequence[KindName]) -> Select[tuple[DuplicateCandidate]]:
    """The pairs of which the current principal may read both records, and the reasons too.

    Of a pair whose reasons have a telephone number, who may not see numbers would learn one that
    they guessed.
    """
    return select(DuplicateCandidate).where(or_(false(), *map(_visible_of_kind, kinds)))


def _visible_of_kind(kind: KindName) -> ColumnElement[bool]:
    principal = current_principal()
    conditions = [
        DuplicateCandidate.kind == kind,
        _visible_record(kind, DuplicateCandidate.first_id),
        _visible_record(kind, DuplicateCandidate.second_id),
    ]
    if not principal.may(KINDS[kind].phone):
        conditions.append(DuplicateCandidate.by_phone.is_(False))
    return and_(*conditions)


def _visible_record(kind: KindName, key: InstrumentedAttribute[Any]) -> ColumnElement[bool]:
    """A pair whose merge is done shows as such, though one of the two is hidden."""
    record = aliased(KINDS[kind].model)
    scope = rows_in_scope(current_principal(), KINDS[kind].read, record.owner_id, record.team_id)
    standing = or_(record.merged_into.is_(None), DuplicateCandidate.state == "merged")
    return select(record.id).where(record.id == key, scope, standing).exists()
