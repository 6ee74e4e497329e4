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
LONGEST_ROW = 1_000_000
"""Characters of a row's texts."""

_LONG_CELL = f"A cell has more than {LONGEST_CELL:,} characters."
_BLOCK_BYTES = 8_000
"""What is parsed at once; of rows with one cell, far to the right, it may hold hundreds."""
_CACHED_BYTES = 200
"""Up to this length a string that stands in many cells, as choices do, is remembered."""
_MOST_BYTES = 8_000_000_000
"""Of XML, unpacked: several times what the largest sheet has."""
_MOST_COLUMNS = 16_384
_DIGITS = "0123456789"
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
OnStart = Callable[[Attributes], None]
OnEnd = Callable[[], None]


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
    """Calls what is declared for the start and the end of an element, by its local name.

    ``text`` is what stood last. Nothing is called for other elements: a sheet has three or more
    for each cell, and the calls are what reading it costs. Namespaces are not resolved: local names
    tell the few elements apart that are asked for.
    """

    def __init__(
        self, starts: Mapping[str, OnStart] | None = None, ends: Mapping[str, OnEnd] | None = None
    ) -> None:
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._on_start
        self._parser.EndElementHandler = self._on_end
        self._parser.CharacterDataHandler = self._on_text
        self._parser.StartDoctypeDeclHandler = _refuse_doctype
        self._starts = starts or {}
        self._ends = ends or {}
        self.text = ""

    def feed(self, block: bytes) -> None:
        self._parser.Parse(block)

    def close(self) -> None:
        """:raises expat.ExpatError: when the document has not ended."""
        self._parser.Parse(b"", True)

    def _on_start(self, name: str, attributes: Attributes) -> None:
        self.text = ""
        if handle := self._starts.get(_local(name) if ":" in name else name):
            handle(attributes)

    def _on_end(self, name: str) -> None:
        if handle := self._ends.get(_local(name) if ":" in name else name):
            handle()

    def _on_text(self, text: str) -> None:
        self.text += text
        if len(self.text) > LONGEST_CELL:
            raise BadWorkbook(_LONG_CELL)


def _refuse_doctype(*_declaration: object) -> None:
    raise BadWorkbook("The workbook declares a document type, which none needs.")


def _local(name: str) -> str:
    return name.rpartition(":")[2]


class _RelationsParser(_Parser):
    def __init__(self) -> None:
        super().__init__({"Relationship": self._start_relationship})
        self.found: dict[str, tuple[str, str]] = {}

    def _start_relationship(self, attributes: Attributes) -> None:
        if attributes.get("TargetMode") != "External":
            key, type_, target = (attributes.get(field, "") for field in ("Id", "Type", "Target"))
            self.found[key] = type_, target


class _BookParser(_Parser):
    """Finds the first sheet that is shown, and since when days are counted."""

    def __init__(self) -> None:
        super().__init__({"sheet": self._start_sheet, "workbookPr": self._start_properties})
        self.sheet: str | None = None
        self.since_1904 = False

    def _start_sheet(self, attributes: Attributes) -> None:
        if self.sheet is None and attributes.get("state", "visible") == "visible":
            local = {_local(name): value for name, value in attributes.items()}
            self.sheet = local.get("id")

    def _start_properties(self, attributes: Attributes) -> None:
        self.since_1904 = attributes.get("date1904") in ("1", "true")


class _StylesParser(_Parser):
    """Finds the styles of cells, by their place, that show a number as a date or a time."""

    def __init__(self) -> None:
        super().__init__(
            {"numFmt": self._start_code, "cellXfs": self._start_cells, "xf": self._start_format},
            {"cellXfs": self._end_cells},
        )
        self._codes: dict[str, str] = {}
        self._formats: list[str] = []
        self._in_cells = False

    def _start_code(self, attributes: Attributes) -> None:
        self._codes[attributes.get("numFmtId", "")] = attributes.get("formatCode", "")

    def _start_cells(self, _attributes: Attributes) -> None:
        self._in_cells = True

    def _start_format(self, attributes: Attributes) -> None:
        if self._in_cells:
            self._formats.append(attributes.get("numFmtId", "0"))

    def _end_cells(self) -> None:
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


class _TextParser(_Parser):
    """Collects the runs of a text, without how a Japanese or Chinese word in it is read."""

    def __init__(self, starts: Mapping[str, OnStart], ends: Mapping[str, OnEnd]) -> None:
        super().__init__(
            {**starts, "rPh": self._start_reading},
            {**ends, "t": self._end_run, "rPh": self._end_reading},
        )
        self.runs = ""
        self._in_reading = False

    def _start_reading(self, _attributes: Attributes) -> None:
        self._in_reading = True

    def _end_run(self) -> None:
        if not self._in_reading:
            self.runs += self.text
            if len(self.runs) > LONGEST_CELL:
                raise BadWorkbook(_LONG_CELL)

    def _end_reading(self) -> None:
        self._in_reading = False


class _StringsParser(_TextParser):
    """Puts the workbook's strings into a file; the place of each is all that stays in memory."""

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__({}, {"si": self._end_string})
        self._file = file
        self._ends_at = array("Q", [0])

    def _end_string(self) -> None:
        text = _unescaped(self.runs).encode("utf-8", "surrogatepass")
        self._file.write(text)
        self._ends_at.append(self._ends_at[-1] + len(text))
        self.runs = ""

    def reader(self) -> Callable[[int], str]:
        self._file.flush()
        handle, ends = self._file.fileno(), self._ends_at

        def read(begin: int, length: int) -> str:
            return os.pread(handle, length, begin).decode("utf-8", "replace")

        remembered = lru_cache(maxsize=10_000)(read)

        def string(number: int) -> str:
            if not 0 <= number < len(ends) - 1:
                raise BadWorkbook("A cell refers to a text that the workbook does not have.")
            begin = ends[number]
            length = ends[number + 1] - begin
            return (remembered if length <= _CACHED_BYTES else read)(begin, length)

        return string


class _SheetParser(_TextParser):
    """Collects rows; they are taken away between two blocks."""

    def __init__(
        self, strings: Callable[[int], str], dated: frozenset[str], epoch: datetime
    ) -> None:
        super().__init__(
            {"row": self._start_row, "c": self._start_cell},
            {"row": self._end_row, "c": self._end_cell, "v": self._end_run},
        )
        self._strings = strings
        self._dated = dated
        self._epoch = epoch
        self._rows: list[tuple[int, list[str]]] = []
        self._number = 0
        self._cells: list[str] = []
        self._length = 0
        self._column = -1
        self._type = "n"
        self._style = ""

    def take(self) -> list[tuple[int, list[str]]]:
        """The rows that are complete since the last time."""
        rows, self._rows = self._rows, []
        return rows

    def _start_row(self, attributes: Attributes) -> None:
        given = attributes.get("r", "")
        self._number = int(given) if given.isdecimal() else self._number + 1
        self._cells = []
        self._length = 0
        self._column = -1

    def _start_cell(self, attributes: Attributes) -> None:
        reference = attributes.get("r")
        self._column = _column(reference.rstrip(_DIGITS)) if reference else self._column + 1
        self._type = attributes.get("t", "n")
        self._style = attributes.get("s", "")
        self.runs = ""

    def _end_cell(self) -> None:
        if text := self._text():
            self._cells += [""] * (self._column - len(self._cells))
            self._cells.append(text)
            self._length += len(text)
            if self._length > LONGEST_ROW:
                raise BadWorkbook(f"A row has more than {LONGEST_ROW:,} characters.")

    def _end_row(self) -> None:
        if self._cells:
            self._rows.append((self._number, self._cells))

    def _text(self) -> str:
        value, kind = self.runs, self._type
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


@lru_cache(maxsize=_MOST_COLUMNS)
def _column(letters: str) -> int:
    """The place of a column, from 0: of AB it is 27."""
    place = 0
    for letter in letters.upper():
        place = place * 26 + ord(letter) - ord("A") + 1
    if not 0 < place <= _MOST_COLUMNS:
        raise BadWorkbook(f"The workbook has a cell in column {letters}.")
    return place - 1


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda code: chr(int(code[1], 16)), text) if "_x" in text else text
