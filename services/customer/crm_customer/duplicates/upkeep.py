"""The keys of each record, written in the flush that writes the record, whoever asks for it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import orjson
from sqlalchemy import event, inspect, text
from sqlalchemy.orm import Session

from crm_customer.duplicates.identity import identity_of, keys_of
from crm_customer.kinds import KINDS, KindName

_NAMES: dict[type[Any], KindName] = {kind.model: kind.name for kind in KINDS.values()}
_READ = (
    "id",
    "kind",
    "name",
    "phones",
    "emails",
    "addresses",
    "region",
    "birthday",
    "sex",
    "account_id",
    "website",
    "parent_id",
    "merged_into",
)
"""What an identity is made of, where a record has it."""

# As one parameter: binding thousands of numbers takes longer than storing them.
_INSERT = {
    "postgresql": text(
        "INSERT INTO duplicate_keys (key, record_id) "
        "SELECT (pair ->> 0)::bigint, (pair ->> 1)::uuid "
        "FROM jsonb_array_elements(CAST(:pairs AS jsonb)) AS pair ON CONFLICT DO NOTHING"
    ),
    "sqlite": text(
        "INSERT INTO duplicate_keys (key, record_id) "
        "SELECT value ->> 0, replace(value ->> 1, '-', '') FROM json_each(:pairs) WHERE true "
        "ON CONFLICT DO NOTHING"
    ),
}
_DELETE = {
    "postgresql": text(
        "DELETE FROM duplicate_keys WHERE (key, record_id) IN "
        "(SELECT (pair ->> 0)::bigint, (pair ->> 1)::uuid "
        "FROM jsonb_array_elements(CAST(:pairs AS jsonb)) AS pair)"
    ),
    "sqlite": text(
        "DELETE FROM duplicate_keys WHERE (key, record_id) IN "
        "(SELECT value ->> 0, replace(value ->> 1, '-', '') FROM json_each(:pairs))"
    ),
}

Pair = tuple[int, str]
"""A key and the id of a record that has it."""


def write_keys(session: Session, records: Iterable[Any]) -> None:
    """Write the keys of records that have none, or not all, stored."""
    _execute(session, _INSERT, [pair for record in records for pair in _pairs(record, record)])


def watch_keys() -> None:
    """Keep the keys of each record from now on; once, however often it is asked for."""
    if not event.contains(Session, "after_flush", _keep_keys):
        event.listen(Session, "after_flush", _keep_keys)


def _keep_keys(session: Session, _context: object) -> None:
    added: list[Pair] = []
    gone: list[Pair] = []
    for record in session.new:
        if type(record) in _NAMES:
            added.extend(_pairs(record, record))
    for record in session.dirty:
        if type(record) in _NAMES and (before := _before(record)):
            old, new = set(_pairs(record, before)), set(_pairs(record, record))
            added.extend(new - old)
            gone.extend(old - new)
    _execute(session, _DELETE, gone)
    _execute(session, _INSERT, added)


def _pairs(record: Any, state: Any) -> Iterable[Pair]:
    if state.merged_into is not None:
        return []
    keys = keys_of(identity_of(_NAMES[type(record)], state))
    return [(key, record.id) for key in keys]


def _before(record: Any) -> Any:
    """The record as it was before this flush, or None where its identity is the same."""
    attributes = inspect(record).attrs
    known = [name for name in _READ if name in attributes]
    histories = {name: attributes[name].history for name in known}
    if not any(history.has_changes() for history in histories.values()):
        return None
    return SimpleNamespace(
        **{
            name: history.deleted[0] if history.deleted else getattr(record, name)
            for name, history in histories.items()
        }
    )


def _execute(session: Session, statements: dict[str, Any], pairs: Sequence[Pair]) -> None:
    if pairs:
        statement = statements[session.get_bind().dialect.name]
        session.execute(statement, {"pairs": orjson.dumps(sorted(pairs)).decode()})
