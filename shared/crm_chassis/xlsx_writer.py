"""Writes an Excel workbook row by row, and gives its bytes as they come.

The libraries there pack a workbook when its last row is written. An export of a million rows begins
to arrive at once instead, in bounded memory. The format: ECMA-376, part 1, chapter 18.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import chain, count, islice
from xml.sax.saxutils import escape

_MOST_ROWS = 1_048_576
_LONGEST_CELL = 32_767
_FLUSH_CHARACTERS = 64_000
_HEAD = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006"
_BOOK_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"
_SHEET_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"
_NOT_XML = re.compile("[\x00-\x08\x0b-\x1f\ud800-\udfff\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")

Cell = str | int | Decimal | None


def workbook(header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Iterator[bytes]:
    """The bytes of a workbook with these rows under a header.

    What does not fit on a sheet goes on to the next one, under the header again. Texts are texts,
    whatever they begin with: nothing is ever a formula.
    """
    sink = _Sink()
    pending = iter(rows)
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for number in count(1):
            with archive.open(f"xl/worksheets/sheet{number}.xml", "w", force_zip64=True) as sheet:
                for text in _sheet(chain([header], islice(pending, _MOST_ROWS - 1))):
                    sheet.write(text.encode())
                    yield from sink.take()
            following = next(pending, None)
            if following is None:
                break
            pending = chain([following], pending)
        for name, content in _frame(number):
            archive.writestr(name, _HEAD + content)
    yield from sink.take()


def _sheet(rows: Iterable[Sequence[Cell]]) -> Iterator[str]:
    text = f'{_HEAD}<worksheet xmlns="{_MAIN}"><sheetData>'
    for row in rows:
        text += f"<row>{''.join(map(_cell, row))}</row>"
        if len(text) > _FLUSH_CHARACTERS:
            yield text
            text = ""
    yield f"{text}</sheetData></worksheet>"


def _cell(value: Cell) -> str:
    if value is None or value == "":
        return "<c/>"
    if not isinstance(value, str):
        return f"<c><v>{value}</v></c>"
    text = escape(_NOT_XML.sub(_escaped, value[:_LONGEST_CELL]))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{text}</t></is></c>'


def _escaped(character: re.Match[str]) -> str:
    return f"_x{ord(character[0]):04X}_"


def _frame(sheets: int) -> Iterator[tuple[str, str]]:
    """The parts around the sheets: what there is, and what refers to what."""
    numbers = range(1, sheets + 1)
    types = "".join(
        f'<Override PartName="/xl/worksheets/sheet{n}.xml" ContentType="{_SHEET_TYPE}"/>'
        for n in numbers
    )
    yield (
        "[Content_Types].xml",
        f'<Types xmlns="{_PACKAGE}/content-types">'
        '<Default Extension="rels" '
        'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{_BOOK_TYPE}"/>{types}</Types>',
    )
    yield (
        "_rels/.rels",
        f'<Relationships xmlns="{_PACKAGE}/relationships"><Relationship Id="rId1" '
        f'Type="{_RELATIONS}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
    )
    listed = "".join(f'<sheet name="Sheet{n}" sheetId="{n}" r:id="rId{n}"/>' for n in numbers)
    yield (
        "xl/workbook.xml",
        f'<workbook xmlns="{_MAIN}" xmlns:r="{_RELATIONS}"><sheets>{listed}</sheets></workbook>',
    )
    links = "".join(
        f'<Relationship Id="rId{n}" Type="{_RELATIONS}/worksheet" '
        f'Target="worksheets/sheet{n}.xml"/>'
        for n in numbers
    )
    yield (
        "xl/_rels/workbook.xml.rels",
        f'<Relationships xmlns="{_PACKAGE}/relationships">{links}</Relationships>',
    )


class _Sink(io.RawIOBase):
    """Where an archive is written that cannot be sought in."""

    def __init__(self) -> None:
        self._blocks: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, block: bytes) -> int:  # type: ignore[override]  # only bytes ever come
        self._blocks.append(bytes(block))
        return len(block)

    def take(self) -> list[bytes]:
        blocks, self._blocks = self._blocks, []
        return blocks
