"""What a benchmark gives: figures, each beside its yardstick and held to its target."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bench.servers import Servers

Sense = Literal["at least", "at most"]


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure is to be.

    :ivar of: what is held against ``limit``: the figure itself, or its ratio to the yardstick.
    """

    sense: Sense
    limit: float
    of: Literal["value", "ratio"] = "value"

    def holds(self, measured: float) -> bool:
        return measured >= self.limit if self.sense == "at least" else measured <= self.limit


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The same done with as little as possible, in the same run.

    :ivar value: in the unit of the figure it stands beside.
    """

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One thing that was measured."""

    name: str
    value: float
    unit: str
    yardstick: Yardstick | None = None
    target: Target | None = None

    @property
    def ratio(self) -> float | None:
        """The figure to its yardstick."""
        return self.value / self.yardstick.value if self.yardstick else None

    @property
    def met(self) -> bool | None:
        """Whether the target holds; None without one."""
        if self.target is None:
            return None
        measured = self.ratio if self.target.of == "ratio" else self.value
        return measured is not None and self.target.holds(measured)

    def document(self) -> dict[str, Any]:
        """The figure for the results file."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "yardstick": self.yardstick
            and {
                "name": self.yardstick.name,
                "value": self.yardstick.value,
            },
            "ratio": self.ratio,
            "target": self.target
            and {
                "sense": self.target.sense,
                "limit": self.target.limit,
                "of": self.target.of,
            },
            "met": self.met,
        }


@dataclass(frozen=True, slots=True)
class Run:
    """What a benchmark is given.

    :ivar quick: take small counts: the figures are rough, and the run is short.
    :ivar folder: for its files; gone after it.
    """

    servers: Servers
    quick: bool
    folder: Path

    def count(self, full: int, quick: int) -> int:
        """``full``, or ``quick`` in a quick run."""
        return quick if self.quick else full


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest of ``values`` that is no smaller than ``percent`` of them."""
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]
