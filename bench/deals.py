"""A company's deals as CSV files, about like those of a real one: who sells what to whom."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from crm_client.mapping import Mapping

_OFFICES, _AGENTS, _PRODUCTS, _ACCOUNTS = 3, 35, 7, 85
_STAGES = ("won", "lost", "qualification", "prospecting")
_SHARES = (48, 28, 18, 6)
_FIRST_DAY = date(2025, 1, 1)


@dataclass(frozen=True, slots=True)
class File:
    """A file to import, and how."""

    resource: str
    path: Path
    mapping: Mapping


@dataclass(frozen=True, slots=True)
class Deals:
    """Files in the order in which one needs the other, and the figures that come of them.

    :ivar figures: KPI to its total.
    """

    files: Sequence[File]
    figures: dict[str, Decimal]


def write(folder: Path, count: int, seed: int = 7) -> Deals:
    """Make up ``count`` deals."""
    pick = random.Random(seed)
    offices = [f"Office {n}" for n in range(_OFFICES)]
    agents = [f"Agent {n}" for n in range(_AGENTS)]
    products = {f"Product {n}": Decimal(pick.randrange(50, 30_000)) for n in range(_PRODUCTS)}
    accounts = [f"Account {n}" for n in range(_ACCOUNTS)]
    files = [
        _file(folder, "teams", ["name"], [[office] for office in offices]),
        _file(
            folder, "users", ["name", "team"], [[agent, pick.choice(offices)] for agent in agents]
        ),
        _file(
            folder,
            "products",
            ["name", "list_price"],
            [[name, f"{price}.00"] for name, price in products.items()],
            {"currency": "USD"},
        ),
        _file(folder, "accounts", ["name"], [[account] for account in accounts]),
    ]
    figures = dict.fromkeys(("won_count", "lost_count", "open_count", "sales"), Decimal(0))
    rows = []
    for number in range(count):
        (stage,) = pick.choices(_STAGES, _SHARES)
        product = pick.choice(list(products))
        opened = _FIRST_DAY + timedelta(days=pick.randrange(300))
        closed, amount = "", ""
        if stage in ("won", "lost"):
            closed = str(opened + timedelta(days=pick.randrange(1, 140)))
            value = products[product] * pick.randrange(80, 120) // 100 if stage == "won" else 0
            amount = f"{value}.00"
            figures["sales"] += value
        figures[f"{stage}_count" if closed else "open_count"] += 1
        rows.append(
            [
                f"D{number:06d}",
                pick.choice(agents),
                product,
                pick.choice(accounts),
                stage,
                str(opened) if stage != "prospecting" else "",
                closed,
                amount,
            ]
        )
    columns = ["name", "owner", "product", "account", "stage", "opened_on", "closed_on", "amount"]
    files.append(_file(folder, "opportunities", columns, rows, {"currency": "USD"}))
    return Deals(files, figures)


def _file(
    folder: Path,
    resource: str,
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    constants: dict[str, str] | None = None,
) -> File:
    path = folder / f"{resource}.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(rows)
    fields = {column: [column] for column in columns[1:]}
    named = {columns[0]: ["external_id", columns[0]]}
    return File(resource, path, Mapping("external_id", named | fields, constants or {}, {}))
