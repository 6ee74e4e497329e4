"""How answers look in a terminal and in a pipe."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

MOST_COLUMNS = 8
_EMPTY: tuple[object, ...] = (None, "", [], {})


def as_json(document: Any) -> None:
    """Indented JSON, non-ASCII text as it is."""
    click.echo(json.dumps(document, ensure_ascii=False, indent=2))


def as_json_lines(items: Iterable[Any]) -> None:
    """One JSON document a line, as they come."""
    for item in items:
        click.echo(json.dumps(item, ensure_ascii=False))


def fields(document: Mapping[str, Any]) -> None:
    """One record as lines of name and value."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in document.items():
        table.add_row(name, _cell(value))
    _console().print(table)


def rows(items: Sequence[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Records as a table.

    :param columns: what to show; by default the first columns that hold anything.
    """
    table = Table(box=SIMPLE_HEAD)
    shown = columns or _telling_columns(items)
    for column in shown:
        numeric = all(_is_number(item.get(column)) for item in items)
        table.add_column(Text(column), justify="right" if numeric else "left")
    for item in items:
        table.add_row(*(_cell(item.get(column)) for column in shown))
    _console().print(table)


def tree(document: Tree) -> None:
    """Lines below lines."""
    _console().print(document)


def _console() -> Console:
    """A pipe gets lines as wide as they are: nothing is cut where nobody can widen the window."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=10_000)


def _telling_columns(items: Sequence[Mapping[str, Any]]) -> list[str]:
    names = dict.fromkeys(name for item in items for name in item)
    filled = (name for name in names if any(item.get(name) not in _EMPTY for item in items))
    return list(islice(filled, MOST_COLUMNS))


def _cell(value: Any) -> Text:
    if value is None:
        return Text("")
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    if isinstance(value, list) and not any(isinstance(part, dict) for part in value):
        return Text(printable(", ".join(str(part) for part in value)))
    if isinstance(value, dict | list):
        return Text(printable(json.dumps(value, ensure_ascii=False)))
    return Text(printable(str(value)))


def printable(text: str) -> str:
    """Text with its control characters replaced: data must not steer the terminal."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def _is_number(value: Any) -> bool:
    if value is None or isinstance(value, int | float):
        return not isinstance(value, bool)
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True
