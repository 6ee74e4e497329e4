"""``python -m bench [NAME...] [--quick]``"""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console

from bench import report
from bench.figures import Figure, Run
from bench.servers import servers
from crm_chassis.testing_servers import Unavailable

BENCHMARKS = (
    "relay",
    "consumer",
    "freshness",
    "api",
    "kpis",
    "embedded",
    "outbox",
    "duplicates",
    "overview",
    "search",
    "imports",
    "footprint",
)
"""Each is a module here with ``run(Run) -> list[Figure]``."""


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(BENCHMARKS))
@click.option("--quick", is_flag=True, help="Small counts: rough and short.")
def main(names: Sequence[str], quick: bool) -> None:
    """Run benchmarks, all unless some are named; print and keep their figures.

    The exit status is 1 when a target was missed or a benchmark failed.
    """
    started_at = datetime.now(UTC)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    try:
        figures = _measured(names or BENCHMARKS, quick, console)
    except Unavailable as error:
        raise click.ClickException(str(error)) from None
    report.show(console, figures)
    console.print(f"[dim]{report.write(figures, started_at, quick)}[/]")
    if not all(
        rows and all(figure.met is not False for figure in rows) for rows in figures.values()
    ):
        sys.exit(1)


def _measured(names: Sequence[str], quick: bool, console: Console) -> dict[str, list[Figure]]:
    """Figures by benchmark; none of one that failed, which is told of."""
    figures: dict[str, list[Figure]] = {}
    with servers() as on, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in names:
            console.print(f"[dim]{name} ...[/]")
            own = Path(folder) / name
            own.mkdir()
            benchmark = importlib.import_module(f"bench.{name}")
            try:
                figures[name] = benchmark.run(Run(on, quick, own))
            except Unavailable:
                raise
            except Exception:
                console.print_exception()
                figures[name] = []
    return figures


if __name__ == "__main__":
    main()
