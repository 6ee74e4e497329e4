"""Why an open pipeline is worth more or less than before: its causes, which add up exactly."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Protocol, cast

GAINS = ("new", "reopened", "received", "increased")
LOSSES = ("decreased", "won", "lost", "invalid", "given_away")
CAUSES = (*GAINS, *LOSSES)
"""``opening + GAINS - LOSSES = closing``.

A deal is received from another team, and given away to one. What is won, lost or found invalid goes
at the amount it closed at: what that was changed by in the same breath is in- or decreased before.
An amount that changes its currency is decreased in one and increased in the other.
"""

KINDS = ("opened", "won", "lost", "invalid", "reopened", "forward", "back", "slipped")


class Move(Protocol):
    """A deal before a change and after it; before it was opened it had nothing."""

    from_team_id: str | None
    to_team_id: str | None
    from_owner_id: str | None
    to_owner_id: str | None
    from_pipeline: str | None
    to_pipeline: str
    from_stage_order: int | None
    to_stage_order: int
    from_stage_type: str | None
    to_stage_type: str
    from_amount: Decimal | None
    to_amount: Decimal
    from_currency: str | None
    to_currency: str
    from_expected_close_on: date | None
    to_expected_close_on: date | None


@dataclass(frozen=True, slots=True)
class Swing:
    """What a move adds to a cause, for whom."""

    owner_id: str | None
    currency: str
    amount: Decimal
    cause: str


def swings(move: Move, teams: Collection[str]) -> Iterator[Swing]:
    """What a move does to the open pipeline of some teams together."""
    was_in = move.from_stage_type == "open" and move.from_team_id in teams
    if move.to_team_id not in teams:
        if was_in:
            yield Swing(move.from_owner_id, *_before(move), "given_away")
        return
    if was_in:
        yield from _revaluation(move)
        if move.to_stage_type != "open":
            yield _of(move, move.to_stage_type)
    elif move.to_stage_type == "open":
        yield _of(move, _entry(move))


def _entry(move: Move) -> str:
    if move.from_stage_type is None:
        return "new"
    return "received" if move.from_stage_type == "open" else "reopened"


def _revaluation(move: Move) -> Iterator[Swing]:
    currency, amount = _before(move)
    if currency != move.to_currency:
        yield Swing(move.to_owner_id, currency, amount, "decreased")
        yield _of(move, "increased")
    elif difference := move.to_amount - amount:
        cause = "increased" if difference > 0 else "decreased"
        yield Swing(move.to_owner_id, currency, abs(difference), cause)


def _before(move: Move) -> tuple[str, Decimal]:
    """What a deal that was there was worth."""
    return cast("tuple[str, Decimal]", (move.from_currency, move.from_amount))


def _of(move: Move, cause: str) -> Swing:
    return Swing(move.to_owner_id, move.to_currency, move.to_amount, cause)


def kinds(move: Move) -> list[str]:
    """What a move is, in the order of :data:`KINDS`; an owner or amount alone is none of them."""
    before, after = move.from_stage_type, move.to_stage_type
    if before is None:
        return ["opened"] if after == "open" else []
    if before != "open":
        return ["reopened"] if after == "open" else []
    if after != "open":
        return [after]
    found = []
    if move.from_pipeline == move.to_pipeline and move.from_stage_order is not None:
        if move.to_stage_order > move.from_stage_order:
            found.append("forward")
        elif move.to_stage_order < move.from_stage_order:
            found.append("back")
    due, now_due = move.from_expected_close_on, move.to_expected_close_on
    if due is not None and now_due is not None and now_due > due:
        found.append("slipped")
    return found
