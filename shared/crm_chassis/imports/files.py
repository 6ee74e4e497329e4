"""Files of rows, read and written: CSV and Excel workbooks."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import IO

from crm_chassis import xlsx_reader
from crm_chassis.problems import invalid
from crm_chassis.xlsx_writer import Cell, workbook

CSV = "text/csv"
XLSX = xlsx_reader.CONTENT_TYPE

_FLUSH_CHARACTERS = 64_000
_GUARD = "'"
_FORMULA = re.compile(rf"{_GUARD}*(?:[=@\t\r]|[+-](?![\d\s.,;:()/+-]*\Z))")
"""How a cell begins that a spreadsheet would take for a formula, guarded or not; numbers are
harmless."""

NumberedRow = tuple[int, dict[str, str]]
"""A row's place in its file, the header being row 1, and the texts of its cells by column."""


def write_rows(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], file_format: str
) -> Iterator[bytes]:
    """A file of these rows, block by block."""
    return workbook(header, rows) if file_format == XLSX else _csv_blocks(header, rows)


def _csv_blocks(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(header)
    for row in rows:
        writer.writerow([_guarded(cell) if isinstance(cell, str) else cell for cell in row])
        if buffer.tell() > _FLUSH_CHARACTERS:
            yield buffer.getvalue().encode()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue().encode()


def _guarded(cell: str) -> str:
    """What no spreadsheet executes: an apostrophe before what it would take for a formula."""
    return _GUARD + cell if _FORMULA.match(cell) else cell


def _unguarded(cell: str) -> str:
    return cell[1:] if cell[:1] == _GUARD and _FORMULA.match(cell, 1) else cell


def format_of(content_type: str, filename: str) -> str:
    """What a file is, by what its sender says, or else by its name."""
    if content_type == XLSX or (content_type != CSV and filename.lower().endswith(".xlsx")):
        return XLSX
    return CSV


def read_csv(stream: IO[bytes], required: Collection[str]) -> Iterator[NumberedRow]:
    """The rows of a text that have any cell, read as they come.

    :param stream: UTF-8, with or without byte order mark.
    :param required: the columns that are read; the header must have them.
    :raises Problem: 422 saying what is wrong with the bytes, the header or a row.
    """
    return _with_header(_csv_rows(stream), required)


def read_xlsx(file: IO[bytes], required: Collection[str]) -> Iterator[NumberedRow]:
    """The same of the first sheet of a workbook.

    :param file: seekable.
    """
    return _with_header(_xlsx_rows(file), required)


def _with_header(
    rows: Iterator[tuple[int, list[str]]], required: Collection[str]
) -> Iterator[NumberedRow]:
    header = next(rows, (1, []))[1]
    if "\0" in "".join(header):
        raise invalid(("header", "Contains a NUL character."))
    missing = [column for column in required if column not in header]
    if missing:
        raise invalid(*((column, "The file has no such column.") for column in missing))
    named = [column for column in header if column]
    if len(set(named)) < len(named):
        raise invalid(("header", "Two columns have the same name."))
    places = [(column, header.index(column)) for column in required]
    for number, cells in rows:
        if len(cells) > len(header):
            raise invalid((f"row {number}", "More cells than the header has."))
        if "\0" in "".join(cells):
            raise invalid((f"row {number}", "Contains a NUL character."))
        width = len(cells)
        yield number, {column: cells[place] for column, place in places if place < width}


def _csv_rows(stream: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    csv.field_size_limit(xlsx_reader.LONGEST_CELL)
    text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    longest = xlsx_reader.LONGEST_ROW
    number = length = 0

    def lines() -> Iterator[str]:
        """Those of a row, whose texts may have line breaks, are no longer than a row may be."""
        nonlocal length
        while line := text.readline(longest + 1):
            length += len(line)
            if length > longest:
                raise invalid((f"row {number + 1}", f"More than {longest:,} characters."))
            yield line

    try:
        for number, cells in enumerate(csv.reader(lines(), strict=True), start=1):
            length = 0
            if cells:
                yield number, [_unguarded(cell) for cell in cells]
    except UnicodeDecodeError as error:
        raise invalid(("file", f"Not UTF-8: {error.reason} near row {number + 1}.")) from None
    except csv.Error as error:
        raise invalid((f"row {number + 1}", f"Not CSV: {error}.")) from None


def _xlsx_rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    try:
        yield from xlsx_reader.read_rows(file)
    except xlsx_reader.BadWorkbook as error:
        raise invalid(("file", str(error))) from None
