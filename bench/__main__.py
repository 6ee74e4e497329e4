"""``python -m bench [NAME...] [--quick]``"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from bench import report
from bench.figures import Figure, Run
from bench.servers import servers

BENCHMARKS = ("relay", "consumer", "freshness", "api", "kpis", "embedded", "outbox")
"""Each is a module here with ``run(Run) -> list[Figure]``."""


def main() -> int:
    """Run the benchmarks that are asked for, print and keep their figures.

    :returns: the exit status: 1 when a target was missed.
    """
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, []], metavar="NAME")
    parser.add_argument("--quick", action="store_true", help="small counts: rough and short")
    arguments = parser.parse_args()
    started_at = datetime.now(UTC)
    console = Console() if sys.stdout.isatty() else Console(width=140)
    figures: dict[str, list[Figure]] = {}
    with servers() as on, tempfile.TemporaryDirectory(prefix="bench-") as folder:
        for name in arguments.names or BENCHMARKS:
            console.print(f"[dim]{name} ...[/]")
            own = Path(folder) / name
            own.mkdir()
            benchmark = importlib.import_module(f"bench.{name}")
            figures[name] = benchmark.run(Run(on, arguments.quick, own))
    report.show(console, figures)
    console.print(f"[dim]{report.write(figures, started_at, arguments.quick)}[/]")
    missed = any(figure.met is False for rows in figures.values() for figure in rows)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
