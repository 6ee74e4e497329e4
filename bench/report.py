"""The table of figures, and the file of results."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

import psutil
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Target

RESULTS = Path(__file__).parent / "results"
_VERDICTS = {True: "[green]met[/]", False: "[red]missed[/]", None: ""}

Figures = Mapping[str, Sequence[Figure]]
"""Figures by benchmark."""


def show(console: Console, figures: Figures) -> None:
    """Print the table."""
    table = Table(title="Benchmarks")
    table.add_column("benchmark")
    table.add_column("figure")
    table.add_column("measured", justify="right")
    table.add_column("yardstick", justify="right")
    table.add_column("ratio", justify="right")
    table.add_column("target", justify="right")
    table.add_column("")
    for benchmark, rows in figures.items():
        for figure in rows:
            table.add_row(
                benchmark,
                figure.name,
                f"{_number(figure.value)} {figure.unit}",
                f"{figure.yardstick.name}: {_number(figure.yardstick.value)}"
                if figure.yardstick
                else "",
                "" if figure.ratio is None else f"{figure.ratio:.2f}",
                _target(figure.target),
                _VERDICTS[figure.met],
            )
        table.add_section()
    console.print(table)


def write(figures: Figures, started_at: datetime, quick: bool) -> Path:
    """Keep the figures, with what they were measured on.

    :returns: the file written.
    """
    document = {
        "started_at": started_at.isoformat(),
        "quick": quick,
        "machine": {
            "cpus": os.cpu_count(),
            "memory_bytes": psutil.virtual_memory().total,
            "load_average": os.getloadavg(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "figures": {
            benchmark: [figure.document() for figure in rows] for benchmark, rows in figures.items()
        },
    }
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{started_at:%Y-%m-%dT%H-%M-%SZ}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")
    return path


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _target(target: Target | None) -> str:
    if target is None:
        return ""
    sign = "≥" if target.sense == "at least" else "≤"
    return f"{'ratio ' if target.of == 'ratio' else ''}{sign} {_number(target.limit)}"
