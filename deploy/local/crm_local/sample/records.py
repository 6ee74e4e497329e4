"""What the sample is made of: rows to import, and moves to make once they are in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CURRENCY = "USD"

Row = dict[str, str]
"""A row of an import, field to text."""


def external_id(kind: str, key: int | str) -> str:
    """``sample-account-007``: no other system's key is like it."""
    return f"sample-{kind}-{key:03d}" if isinstance(key, int) else f"sample-{kind}-{key}"


def row(**values: object) -> Row:
    """A row; what is None or empty is left out."""
    return {name: str(value) for name, value in values.items() if value not in (None, "")}


def money(amount: int) -> str:
    """An amount as files and requests write it."""
    return f"{amount}.00"


@dataclass(frozen=True, slots=True)
class Move:
    """What happens to a record after it is there.

    :ivar when: what is in its fields until it happens; where it is not, it has happened.
    :ivar name: as the API calls it: stage, win, status, resolve, fulfil, returns.
    """

    when: Mapping[str, str]
    name: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversion:
    """The conversion of a lead.

    :ivar product: external id of what the opportunity is about.
    :ivar account: external id of the account that it goes into; None for one of its own.
    :ivar then: what happens to the opportunity.
    """

    facts: Mapping[str, Any]
    product: str
    account: str | None
    then: Move | None


@dataclass(frozen=True, slots=True)
class Ref:
    """Stands for the id of a record that came in by a row, where a request is to name it."""

    resource: str
    external_id: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A record that comes in by a request of its own: it has no key of other systems.

    :ivar facts: as the API takes them, with a :class:`Ref` for each id.
    :ivar moves: what happens to it then, one after the other.
    """

    facts: Mapping[str, Any]
    moves: Sequence[Move] = ()


@dataclass(frozen=True, slots=True)
class Sample:
    """All of it.

    :ivar vocabulary: what rows name and no file brings in: resource to its entries.
    :ivar rows: resource to its rows.
    :ivar conversions: by external id of the lead.
    :ivar entries: resource to its entries, which refer to rows.
    :ivar moves: resource to external id to the record's moves, one after the other.
    :ivar released: external ids of the accounts that nobody looks after.
    """

    vocabulary: Mapping[str, list[Entry]]
    rows: Mapping[str, list[Row]]
    conversions: Mapping[str, Conversion]
    entries: Mapping[str, list[Entry]]
    moves: Mapping[str, Mapping[str, Sequence[Move]]]
    released: Sequence[str]
