"""What the sample is made of: rows to import, and moves to make once they are in."""

from __future__ import annotations

from collections.abc import Mapping
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
    """What happens to a record after its import.

    :ivar state: the stage or status that it happens in; in another one, it has happened.
    :ivar name: as the API calls it: stage, win, lose, status, resolve.
    """

    state: str
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
class Sample:
    """All of it.

    :ivar rows: resource to its rows.
    :ivar moves: resource to external id to the record's move.
    :ivar conversions: by external id of the lead.
    """

    rows: Mapping[str, list[Row]]
    moves: Mapping[str, Mapping[str, Move]]
    conversions: Mapping[str, Conversion]
