"""What a batch changes in the rollups, gathered in memory and written once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from operator import add, neg, sub
from typing import Any

from sqlalchemy import Connection, select

from crm_reporting.projections import bulk
from crm_reporting.projections.rollups import (
    ACCOUNT,
    MONTH,
    ROLLUPS,
    Counted,
    Measures,
    Member,
    Rollup,
    Row,
)
from crm_reporting.projections.tables import Tables

_Day = tuple[date, str]
"""Business day and currency."""
_Sums = dict[_Day, dict[Member, Measures]]


class Sums:
    """Differences of the rollups' rows."""

    def __init__(self) -> None:
        self._by_rollup: dict[Rollup, _Sums] = {rollup: {} for rollup in ROLLUPS}

    def replace(
        self,
        rollup: Rollup,
        before: Row | None,
        after: Row | None,
        account_before: Row | None = None,
        account_after: Row | None = None,
    ) -> None:
        """Take back what a row was counted for, and count it as it is now.

        :param before: None when it was not counted; likewise ``after``.
        """
        old = before and rollup.counted(before, account_before)
        new = after and rollup.counted(after, account_after)
        sums = self._by_rollup[rollup]
        if old and new and old.day == new.day and old.currency == new.currency:
            place = sums.setdefault((new.day, new.currency), {})
            _shift(place, old, new)
            return
        if old:
            place = sums.setdefault((old.day, old.currency), {})
            share = tuple(map(neg, old.share))
            for member in old.members:
                _add(place, member, share)
        if new:
            place = sums.setdefault((new.day, new.currency), {})
            for member in new.members:
                _add(place, member, new.share)

    def move(
        self,
        connection: Connection,
        tables: Tables,
        rollup: Rollup,
        moved: Mapping[str, list[tuple[str, str, str]]],
    ) -> None:
        """Let what stands for some accounts be counted for other members of a dimension.

        :param moved: account to (dimension, member before, member after).
        """
        table = tables[rollup.name]
        measures = [table.c[measure] for measure in rollup.measures]
        standing = select(table.c.member, table.c.day, table.c.currency, *measures).where(
            table.c.dimension == ACCOUNT,
            table.c.grain == rollup.grains[0],
            table.c.member.in_(list(moved)),
        )
        for account, day, currency, *share in connection.execute(standing):
            sums = self._by_rollup[rollup].setdefault((day, currency), {})
            for dimension, before, after in moved[account]:
                _add(sums, (dimension, before, ""), tuple(map(neg, share)))
                _add(sums, (dimension, after, ""), tuple(share))

    def store(self, connection: Connection, tables: Tables) -> None:
        """Write the differences, in one order for all workers."""
        for rollup, sums in self._by_rollup.items():
            rows = [row for grain in rollup.grains for row in _rows(grain, sums)]
            if rows:
                bulk.add(connection, tables[rollup.name], sorted(rows))


def _shift(place: dict[Member, Measures], old: Counted, new: Counted) -> None:
    """Move a row's share on one day; most of its members are the same before and after."""
    difference = tuple(map(sub, new.share, old.share))
    grows = any(difference)
    for member, now in zip(old.members, new.members, strict=True):
        if member != now:
            _add(place, member, tuple(map(neg, old.share)))
            _add(place, now, new.share)
        elif grows:
            _add(place, member, difference)


def _add(sums: dict[Member, Measures], member: Member, share: Measures) -> None:
    known = sums.get(member)
    sums[member] = share if known is None else tuple(map(add, known, share))


def _rows(grain: str, sums: _Sums) -> Iterator[tuple[Any, ...]]:
    """Rows in the order of a rollup table's columns, less those that change nothing."""
    for (day, currency), by_member in (_by_month(sums) if grain == MONTH else sums).items():
        for (dimension, member, team), share in by_member.items():
            if any(share):
                yield (dimension, grain, day, member, team, currency, *share)


def _by_month(sums: _Sums) -> _Sums:
    months: _Sums = {}
    for (day, currency), by_member in sums.items():
        month = months.setdefault((day.replace(day=1), currency), {})
        for member, share in by_member.items():
            _add(month, member, share)
    return months
