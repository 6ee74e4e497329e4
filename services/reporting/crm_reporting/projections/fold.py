"""A batch of events -> the projections, in as many statements for one event as for thousands.

Workers may fold at the same time: each takes its locks in one order (tables in that of ``STATES``,
rows by key, rollups last), so they wait for one another and never in a ring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy import Connection, String, Table
from sqlalchemy.orm import Session

from crm_chassis.events import Event
from crm_reporting.projections import bulk
from crm_reporting.projections.columns import Fields, columns_of
from crm_reporting.projections.observations import Observation, Reader
from crm_reporting.projections.rollups import (
    ACCOUNT_ATTRIBUTES,
    RETURNS,
    ROLLUPS,
    STAGE_TIMES,
    STATUS_TIMES,
    Row,
)
from crm_reporting.projections.sums import Sums
from crm_reporting.projections.tables import STANDING, Tables

STATES = (
    "opportunities",
    "tickets",
    "leads",
    "campaigns",
    "orders",
    "receipts",
    "interactions",
    "life_cycles",
    "requests",
    "targets",
    "products",
    "pipelines",
    "accounts",
)
"""Accounts are last: which of them are needed is known when the others have been read."""
_OF_ACCOUNTS = ("opportunities", "tickets", "orders", "receipts", "interactions", "requests")

_ROLLUPS_OF = {name: tuple(rollup for rollup in ROLLUPS if rollup.of == name) for name in STATES}
_THROUGH_ACCOUNT = tuple(rollup for rollup in ROLLUPS if rollup.through_account)


class Change(NamedTuple):
    """A row of a state table before and after a batch; the same object if nothing changed."""

    before: Row
    after: Row
    is_new: bool


Changes = Mapping[str, Change]


class Projection:
    """Folds events into one set of tables.

    :param zone: business time zone.
    :param tables: the tables that stand, or a shadow of them.
    """

    def __init__(self, zone: ZoneInfo, tables: Tables = STANDING) -> None:
        self._reader = Reader(zone)
        self._tables = tables

    def on_events(self, session: Session, events: Sequence[Event]) -> None:
        """Handler of every event type that the projections are made of."""
        self.fold(session.connection(), events)

    def reads(self, event_type: str) -> bool:
        """True when the projections are made of events of this type."""
        return self._reader.knows(event_type)

    def fold(self, connection: Connection, events: Sequence[Event]) -> None:
        """Apply events within the transaction under way.

        They may come in any order; one that was applied before changes nothing.
        """
        batch = self._reader.read(events)
        changes = {
            name: self._merge(connection, name, batch.states[name])
            for name in STATES[:-1]
            if name in batch.states
        }
        accounts = self._merge_accounts(connection, batch.states.get("accounts", {}), changes)
        sums = Sums()
        self._move_between_attributes(connection, accounts, sums)
        for name, of_table in (changes | {"accounts": accounts}).items():
            _recount(name, of_table, accounts, sums)
            self._store(connection, name, of_table)
        self._add_facts(connection, batch.facts, sums)
        sums.store(connection, self._tables)

    def _merge(
        self, connection: Connection, name: str, observed: Mapping[str, Observation]
    ) -> Changes:
        """Lock the rows that something was observed of, making those that are new, and merge."""
        if not observed:
            return {}
        table = self._tables[name]
        ids = sorted(observed)
        inserted = bulk.insert_new(connection, table, ("id",), [[id_] for id_ in ids])
        new = {id_ for (id_,) in inserted}
        before: dict[str, Row] = {id_: {**_blank(table), "id": id_} for id_ in new}
        if old := [id_ for id_ in ids if id_ not in new]:
            before |= {row["id"]: row for row in bulk.locked(connection, table, old)}
        return {
            id_: Change(before[id_], _merged(name, before[id_], observed[id_]), id_ in new)
            for id_ in ids
        }

    def _merge_accounts(
        self,
        connection: Connection,
        observed: Mapping[str, Observation],
        changes: Mapping[str, Changes],
    ) -> Changes:
        """Lock the accounts in the events and those that the changed rows had before.

        While they are locked, no other worker moves them to another industry or region.
        """
        known = {
            change.before["account_id"]: Observation()
            for name in _OF_ACCOUNTS
            for change in changes.get(name, {}).values()
            if change.before["account_id"] is not None
        }
        return self._merge(connection, "accounts", {**known, **observed})

    def _move_between_attributes(
        self, connection: Connection, accounts: Changes, sums: Sums
    ) -> None:
        """Count what stands for accounts whose industry or region changed where they are now."""
        moved = {
            id_: moves
            for id_, change in accounts.items()
            if not change.is_new and (moves := _moves(change))
        }
        if moved:
            for rollup in _THROUGH_ACCOUNT:
                sums.move(connection, self._tables, rollup, moved)

    def _store(self, connection: Connection, name: str, changes: Changes) -> None:
        rows = [
            tuple(change.after.values())
            for change in changes.values()
            if change.after is not change.before
        ]
        if rows:
            bulk.replace(connection, self._tables[name], rows)

    def _add_facts(
        self, connection: Connection, facts: Mapping[str, Mapping[Any, Fields]], sums: Sums
    ) -> None:
        for rollup in (STAGE_TIMES, STATUS_TIMES, RETURNS):
            told = facts.get(rollup.of)
            if not told:
                continue
            names = ("id", *next(iter(told.values())))
            rows = [(id_, *told[id_].values()) for id_ in sorted(told)]
            for (id_,) in bulk.insert_new(connection, self._tables[rollup.of], names, rows):
                sums.replace(rollup, None, told[id_])
        if stages := facts.get("pipeline_stages"):
            table = self._tables["pipeline_stages"]
            bulk.insert_new(connection, table, tuple(table.c.keys()), sorted(stages))


@cache
def _blank(table: Table) -> Row:
    """A row of which nothing is known yet."""
    return {
        column.name: None if column.nullable else "" if isinstance(column.type, String) else 0
        for column in table.c
    }


def _merged(table: str, row: Row, observed: Observation) -> Row:
    is_newer = observed.sequence > row["sequence"]
    marks = {name: mark for name, mark in observed.marks.items() if mark > row[name]}
    if is_newer:
        return {**row, **columns_of(table, observed.data), **marks, "sequence": observed.sequence}
    return {**row, **marks} if marks else row


def _moves(change: Change) -> list[tuple[str, str, str]]:
    """(attribute, value before, value after) of an account, where they differ."""
    before, after, _is_new = change
    return [
        (attribute, before[attribute] or "", after[attribute] or "")
        for attribute in ACCOUNT_ATTRIBUTES
        if before[attribute] != after[attribute]
    ]


def _recount(name: str, changes: Changes, accounts: Changes, sums: Sums) -> None:
    """Take back what the rows before were counted for, and count those after."""
    for before, after, _is_new in changes.values():
        if after is before:
            continue
        old, new = (row if row["sequence"] else None for row in (before, after))
        accounts_of = _account_of(before, accounts), _account_of(after, accounts)
        for rollup in _ROLLUPS_OF[name]:
            sums.replace(rollup, old, new, *accounts_of)


def _account_of(row: Row, accounts: Changes) -> Row | None:
    account = row.get("account_id")
    return accounts[account].after if account is not None else None
