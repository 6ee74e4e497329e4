"""Reads the first sheet of an Excel workbook row by row, in bounded memory.

The libraries there are keep every string of a workbook, or all of its cells, which for a million
customers is several hundred megabytes. Here the strings go to a file, and the XML is parsed as it
is unpacked. The format: ECMA-376, part 1, chapter 18.
"""

from __future__ import annotations

import os
import re
import tempfile
import zipfile
import zlib
from array import array
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from posixpath import join, normpath
from typing import IO
from xml.parsers import expat

CONTENT_TYPE = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

LONGEST_CELL = 100_000
"""Characters of a cell's text, several times what Excel takes."""

_BLOCK_BYTES = 64_000
_MOST_BYTES = 8_000_000_000
"""Of XML, unpacked: several times what the largest sheet has."""
_MOST_COLUMNS = 16_384
_PRECISION = 15
"""Decimal digits that Excel keeps of a number; what is beyond them is noise of the binary form."""
_EPOCH, _EPOCH_1904 = datetime(1899, 12, 30), datetime(1904, 1, 1)  # noqa: DTZ001  # has no zone
_DAY_SECONDS = 86_400
_DATE_FORMATS = frozenset((*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)))
"""The built-in number formats that show a date or a time, section 18.8.30."""
_NOT_CODE = re.compile(r'"[^"]*"|\\.|\[(?!h+\]|m+\]|s+\])[^\]]*\]|_.|\*.', re.IGNORECASE)
_DATE_CODE = re.compile(r"[ymdhs]|上午|[年月日时]", re.IGNORECASE)
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")

Attributes = Mapping[str, str]


class BadWorkbook(ValueError):
    """The file cannot be read; the message says why."""


def read_rows(file: IO[bytes]) -> Iterator[tuple[int, list[str]]]:
    """The rows of the first sheet that hold anything: row number and the texts of the cells.

    Numbers have no more digits than Excel shows; days are ``2024-02-29``, times
    ``2024-02-29T09:30:00``; a formula gives its last result.

    :param file: seekable; it is unpacked as it is read.
    :raises BadWorkbook: when it is no workbook, or a damaged one.
    """
    try:
        with zipfile.ZipFile(file) as archive, tempfile.TemporaryFile() as scratch:
            yield from _Workbook(archive, scratch).rows()
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError) as error:
        raise BadWorkbook(f"Not an Excel workbook: {error}.") from None
    except expat.ExpatError as error:
        raise BadWorkbook(f"A part of the workbook is not XML: {error}.") from None


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile, scratch: IO[bytes]) -> None:
        self._archive = archive
        self._names = set(archive.namelist())
        self._scratch = scratch
        self._unpacked = 0

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        book = self._part("", "officeDocument")
        if book is None:
            raise BadWorkbook("Not an Excel workbook.")
        found = _BookParser()
        self._parse(book, found)
        relations = self._relations(book)
        if found.sheet is None or found.sheet not in relations:
            raise BadWorkbook("The workbook has no sheet.")
        epoch = _EPOCH_1904 if found.since_1904 else _EPOCH
        strings = self._strings(self._part(book, "sharedStrings"))
        dated = self._dated_styles(self._part(book, "styles"))
        sheet = _SheetParser(strings, dated, epoch)
        for block in self._blocks(relations[found.sheet][1]):
            sheet.feed(block)
            yield from sheet.take()
        sheet.close()

    def _part(self, of: str, kind: str) -> str | None:
        """The part that a part refers to as this kind; None when there is none."""
        targets = self._relations(of).values()
        return next((target for type_, target in targets if type_.endswith(f"/{kind}")), None)

    def _relations(self, part: str) -> dict[str, tuple[str, str]]:
        """What a part refers to, by the ids it has for it: type and name."""
        folder, _, name = part.rpartition("/")
        parser = _RelationsParser()
        self._parse(join(folder, "_rels", f"{name}.rels"), parser)
        return {
            key: (type_, normpath(join("/", folder, target)).lstrip("/"))
            for key, (type_, target) in parser.found.items()
        }

    def _strings(self, part: str | None) -> Callable[[int], str]:
        parser = _StringsParser(self._scratch)
        if part:
            self._parse(part, parser)
        return parser.reader()

    def _dated_styles(self, part: str | None) -> frozenset[str]:
        parser = _StylesParser()
        if part:
            self._parse(part, parser)
        return parser.dated()

    def _parse(self, part: str, parser: _Parser) -> None:
        for block in self._blocks(part):
            parser.feed(block)
        parser.close()

    def _blocks(self, part: str) -> Iterator[bytes]:
        if part not in self._names:
            raise BadWorkbook(f"The workbook has no {part}.")
        with self._archive.open(part) as file:
            while block := file.read(_BLOCK_BYTES):
                self._unpacked += len(block)
                if self._unpacked > _MOST_BYTES:
                    raise BadWorkbook("The workbook unpacks to more than any sheet holds.")
                yield block


class _Parser:
    """Calls ``start`` and ``end`` with the local names of elements; ``text`` is what stood last."""

    def __init__(self) -> None:
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = self._on_end
        self._parser.CharacterDataHandler = self._on_text
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self.text = ""

    def feed(self, block: bytes) -> None:
        self._parser.Parse(block)

    def close(self) -> None:
        """:raises expat.ExpatError: when the document has not ended."""
        self._parser.Parse(b"", True)

    def start(self, name: str, attributes: Attributes) -> None:
        raise NotImplementedError

    def end(self, name: str) -> None:
        """Nothing, unless a parser cares."""

    def _on_start(self, name: str, attributes: Attributes) -> None:
        self.text = ""
        self.start(name.rpartition("}")[2], attributes)

    def _on_end(self, name: str) -> None:
        self.end(name.rpartition("}")[2])

    def _on_text(self, text: str) -> None:
        self.text += text
        if len(self.text) > LONGEST_CELL:
            raise BadWorkbook(f"A cell has more than {LONGEST_CELL:,} characters.")


def _refuse_doctype(*_declaration: object) -> None:
    raise BadWorkbook("The workbook declares a document type, which none needs.")


def _local(attributes: Attributes) -> dict[str, str]:
    return {name.rpartition("}")[2]: value for name, value in attributes.items()}


class _RelationsParser(_Parser):
    def __init__(self) -> None:
        super().__init__()
        self.found: dict[str, tuple[str, str]] = {}

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            key, type_, target = (attributes.get(field, "") for field in ("Id", "Type", "Target"))
            self.found[key] = type_, target


class _BookParser(_Parser):
    """Finds the first sheet that is shown, and since when days are counted."""

    def __init__(self) -> None:
        super().__init__()
        self.sheet: str | None = None
        self.since_1904 = False

    def start(self, name: str, attributes: Attributes) -> None:
        local = _local(attributes)
        if name == "sheet" and self.sheet is None and local.get("state", "visible") == "visible":
            self.sheet = local.get("id")
        elif name == "workbookPr":
            self.since_1904 = local.get("date1904") in ("1", "true")


class _StylesParser(_Parser):
    """Finds the styles of cells, by their place, that show a number as a date or a time."""

    def __init__(self) -> None:
        super().__init__()
        self._codes: dict[str, str] = {}
        self._formats: list[str] = []
        self._in_cells = False

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "numFmt":
            self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")
        elif name == "cellXfs":
            self._in_cells = True
        elif name == "xf" and self._in_cells:
            self._formats.append(attributes.get("numFmtId", "0"))

    def end(self, name: str) -> None:
        if name == "cellXfs":
            self._in_cells = False

    def dated(self) -> frozenset[str]:
        return frozenset(
            str(place) for place, number in enumerate(self._formats) if self._is_dated(number)
        )

    def _is_dated(self, number: str) -> bool:
        code = self._codes.get(number)
        if code is None:
            return number.isdecimal() and int(number) in _DATE_FORMATS
        return _DATE_CODE.search(_NOT_CODE.sub("", code.split(";")[0])) is not None


class _StringsParser(_Parser):
    """Puts the workbook's strings into a file; the place of each is all that stays in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__()
        self._file = file
        self._ends = array("Q", [0])
        self._parts: list[str] = []
        self._in_reading = False  # how a Japanese or Chinese word is read, beside the word

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "rPh":
            self._in_reading = True

    def end(self, name: str) -> None:
        if name == "t" and not self._in_reading:
            self._parts.append(self.text)
        elif name == "rPh":
            self._in_reading = False
        elif name == "si":
            text = _unescaped("".join(self._parts)).encode("utf-8", "surrogatepass")
            self._file.write(text)
            self._ends.append(self._ends[-1] + len(text))
            self._parts.clear()

    def reader(self) -> Callable[[int], str]:
        self._file.flush()
        handle, ends = self._file.fileno(), self._ends

        @lru_cache(maxsize=10_000)
        def string(number: int) -> str:
            if not 0 <= number < len(ends) - 1:
                raise BadWorkbook("A cell refers to a text that the workbook does not have.")
            begin = ends[number]
            return os.pread(handle, ends[number + 1] - begin, begin).decode("utf-8", "replace")

        return string


class _SheetParser(_Parser):
    """Collects rows; they are taken away between two blocks."""

    def __init__(
        self, strings: Callable[[int], str], dated: frozenset[str], epoch: datetime
    ) -> None:
        super().__init__()
        self._strings = strings
        self._dated = dated
        self._epoch = epoch
        self._rows: list[tuple[int, list[str]]] = []
        self._number = 0
        self._cells: list[str] = []
        self._column = -1
        self._type = "n"
        self._style = ""
        self._value = ""
        self._in_reading = False

    def take(self) -> list[tuple[int, list[str]]]:
        """The rows that are complete since the last time."""
        rows, self._rows = self._rows, []
        return rows

    def start(self, name: str, attributes: Attributes) -> None:
        if name == "c":
            reference = attributes.get("r")
            self._column = _column(reference) if reference else self._column + 1
            self._type = attributes.get("t", "n")
            self._style = attributes.get("s", "")
            self._value = ""
        elif name == "row":
            given = attributes.get("r", "")
            self._number = int(given) if given.isdecimal() else self._number + 1
            self._cells = []
            self._column = -1
        elif name == "rPh":
            self._in_reading = True

    def end(self, name: str) -> None:
        if name == "v":
            self._value = self.text
        elif name == "t" and not self._in_reading:
            self._value += self.text
        elif name == "rPh":
            self._in_reading = False
        elif name == "c":
            if text := self._text():
                self._cells += [""] * (self._column - len(self._cells))
                self._cells.append(text)
        elif name == "row" and self._cells:
            self._rows.append((self._number, self._cells))

    def _text(self) -> str:
        value, kind = self._value, self._type
        if not value:
            return ""
        if kind == "n":
            return self._number_text(value)
        if kind == "s":
            return self._strings(int(value)) if value.isdecimal() else ""
        if kind == "b":
            return "true" if value == "1" else "false"
        return _unescaped(value)

    def _number_text(self, value: str) -> str:
        try:
            number = float(value)
            if self._style in self._dated:
                return _moment(number, self._epoch)
        except (ValueError, OverflowError):
            return value
        return _digits(value, number)


def _digits(value: str, number: float) -> str:
    if value.isdecimal() and len(value) <= _PRECISION:
        return value
    return f"{Decimal(f'{number:.{_PRECISION}g}'):f}"


def _moment(days: float, epoch: datetime) -> str:
    """What a number of days stands for: a day, a time of day, or both."""
    whole, part = divmod(round(days * _DAY_SECONDS), _DAY_SECONDS)
    moment = epoch + timedelta(days=whole, seconds=part)
    if part == 0:
        return f"{moment:%Y-%m-%d}"
    return moment.time().isoformat() if whole == 0 else moment.isoformat()


@lru_cache(maxsize=50_000)
def _column(reference: str) -> int:
    """The place of a cell's column, from 0: of AB7 it is 27."""
    place = 0
    for letter in reference.rstrip("0123456789").upper():
        place = place * 26 + ord(letter) - ord("A") + 1
    if not 0 < place <= _MOST_COLUMNS:
        raise BadWorkbook(f"The workbook has a cell at {reference}.")
    return place - 1


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text) if "_x" in text else text
