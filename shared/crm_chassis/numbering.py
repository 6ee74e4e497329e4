"""The numbers of documents, so that none is given out again after a restore."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import Column, Integer, MetaData, String, Table, func, insert, select, update
from sqlalchemy.dialects.postgresql import REGCLASS
from sqlalchemy.orm import Session

Numbering = Mapping[str, type[Any]]
"""What gives out the numbers of documents, by their prefix: ``SO`` for ``SO-2026-000123``.

A mapped class with the key ``serial``, which the database counts up.
"""

_NUMBER = re.compile(r"(?P<prefix>[A-Z]+)-\d{4}-(?P<serial>\d{6,9})")
_counters = Table(
    "sqlite_sequence", MetaData(), Column("name", String, primary_key=True), Column("seq", Integer)
)


def skip(session: Session, numbering: Numbering, given: Iterable[str], gap: int) -> None:
    """Have the next numbers come after those that are kept, those given, and a gap."""
    highest: dict[str, int] = {}
    for number in given:
        if match := _NUMBER.fullmatch(number):
            prefix, serial = match["prefix"], int(match["serial"])
            highest[prefix] = max(serial, highest.get(prefix, 0))
    for prefix, numbers in numbering.items():
        kept = session.scalar(select(func.max(numbers.serial))) or 0
        _begin_after(session, numbers.__table__, max(kept, highest.get(prefix, 0)) + gap)


def _begin_after(session: Session, numbers: Table, serial: int) -> None:
    """Let the next serial be a later one, if it is not already."""
    if serial == 0:
        return
    if session.get_bind().dialect.name == "postgresql":
        counter = func.pg_get_serial_sequence(numbers.name, "serial").cast(REGCLASS)
        last = func.coalesce(func.pg_sequence_last_value(counter), 0)
        session.execute(select(func.setval(counter, func.greatest(last, serial))))
        return
    own = _counters.c.name == numbers.name
    last_given = session.scalar(select(_counters.c.seq).where(own))
    if last_given is None:
        session.execute(insert(_counters), {"name": numbers.name, "seq": serial})
    elif last_given < serial:
        session.execute(update(_counters).where(own).values(seq=serial))
