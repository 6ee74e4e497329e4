"""Workbooks as Excel and others write them are read, and those written here are theirs to read."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.styles import Font
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from crm_chassis import xlsx_writer
from crm_chassis.testing_harness import peak_memory
from crm_chassis.xlsx_reader import BadWorkbook, read_rows

_MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_SHEET, _LINKS = "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"
_RICH = """<si><r><t>明光</t></r><r><rPr><b/></rPr><t xml:space="preserve"> Ltd</t></r>
<rPh sb="0" eb="1"><t>ミン</t></rPh></si>"""


def saved(*rows: list[Any], formats: dict[str, str] | None = None, **settings: Any) -> io.BytesIO:
    """A workbook as openpyxl writes it."""
    book = openpyxl.Workbook(**settings)
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for cell, code in (formats or {}).items():
        sheet[cell].number_format = code
    file = io.BytesIO()
    book.save(file)
    file.seek(0)
    return file


def written(header: list[str], *rows: list[Any]) -> io.BytesIO:
    return io.BytesIO(b"".join(xlsx_writer.workbook(header, rows)))


def parts_of(file: io.BytesIO) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sheet_of(cells: bytes) -> bytes:
    return b"<worksheet><sheetData><row>" + cells + b"</row></sheetData></worksheet>"


def with_texts(parts: dict[str, bytes], items: str) -> dict[str, bytes]:
    """What makes of a workbook one whose cells share texts."""
    link = b'<Relationship Id="s" Type="x/sharedStrings" Target="shared.xml"/></Relationships>'
    return {
        "xl/shared.xml": f'<sst xmlns="{_MAIN}">{items}</sst>'.encode(),
        _LINKS: parts[_LINKS].replace(b"</Relationships>", link),
    }


def packed(parts: dict[str, bytes]) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("明光", "明光"),
        ("  kept  ", "  kept  "),
        ("a\nb", "a\nb"),
        ("<&>\"'", "<&>\"'"),
        (5, "5"),
        (-5, "-5"),
        (8613800138000, "8613800138000"),
        (1100.04, "1100.04"),
        (0.1 + 0.2, "0.3"),
        (1e-7, "0.0000001"),
        (1.5e20, "150000000000000000000"),
        (True, "true"),
        (False, "false"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 9, 30), "2024-02-29T09:30:00"),  # noqa: DTZ001  # Excel has no zone
        (time(9, 30), "09:30:00"),
        ("=1+1", "=1+1"),
    ],
)
def test_a_cell_is_read_as_its_text(value: object, text: str) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["A1"] = value
    sheet["A1"].data_type = "s" if isinstance(value, str) else sheet["A1"].data_type
    file = io.BytesIO()
    book.save(file)
    assert list(read_rows(file)) == [(1, [text])]


def test_what_a_number_is_shown_as_tells_days_from_amounts() -> None:
    codes = {
        "A1": "yyyy/mm/dd",
        "B1": 'yyyy"年"m"月"d"日"',
        "C1": "[$-804]d mmm",
        "D1": "#,##0.00",
        "E1": '0.00" days"',
        "F1": "[Red]0;[h]0",
        "G1": "General",
        "H1": "[h]:mm",
    }
    ((_, cells),) = read_rows(saved([45351] * 8, formats=codes))
    assert cells == [*["2024-02-29"] * 3, *["45351"] * 4, "2024-02-29"]


def test_days_since_1904() -> None:
    book = openpyxl.Workbook()
    assert book.active is not None
    book.epoch = CALENDAR_MAC_1904
    book.active["A1"] = date(2024, 2, 29)
    file = io.BytesIO()
    book.save(file)
    assert list(read_rows(file)) == [(1, ["2024-02-29"])]


def test_gaps_keep_their_places() -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    sheet["B2"], sheet["AB2"], sheet["A5"] = "b", "ab", "a"
    sheet["C3"].font = Font(bold=True)  # a cell without a value
    file = io.BytesIO()
    book.save(file)
    assert list(read_rows(file)) == [(2, ["", "b", *[""] * 25, "ab"]), (5, ["a"])]


def test_the_first_sheet_that_is_shown_is_read() -> None:
    book = openpyxl.Workbook()
    hidden, shown = book.active, book.create_sheet("Shown")
    assert hidden is not None
    hidden["A1"], shown["A1"] = "hidden", "shown"
    hidden.sheet_state = "hidden"
    file = io.BytesIO()
    book.save(file)
    assert list(read_rows(file)) == [(1, ["shown"])]


def test_texts_that_cells_share_are_read_without_their_fonts_and_their_reading() -> None:
    parts = parts_of(saved([1]))
    parts[_SHEET] = sheet_of(b'<c t="s"><v>1</v></c><c t="s"><v>0</v></c><c t="s"><v>1</v></c>')
    parts |= with_texts(parts, f"<si><t>a_x000D_</t></si>{_RICH}")
    assert list(read_rows(packed(parts))) == [(1, ["明光 Ltd", "a\r", "明光 Ltd"])]


def test_prefixes_of_elements_do_not_matter() -> None:
    sheet = f"""<x:worksheet xmlns:x="{_MAIN}"><x:sheetData><x:row r="4">
    <x:c r="B4" t="str"><x:v>明光</x:v></x:c></x:row></x:sheetData></x:worksheet>"""
    parts = parts_of(saved(["x"])) | {_SHEET: sheet.encode()}
    assert list(read_rows(packed(parts))) == [(4, ["", "明光"])]


def test_a_formula_is_read_as_its_last_result() -> None:
    parts = parts_of(saved([1]))
    for cell, text in (
        (b"<c><f>1+1</f><v>2</v></c>", "2"),
        ('<c t="str"><f>A2</f><v>明</v></c>'.encode(), "明"),
        (b'<c t="e"><f>1/0</f><v>#DIV/0!</v></c>', "#DIV/0!"),
    ):
        parts[_SHEET] = sheet_of(cell)
        assert list(read_rows(packed(parts))) == [(1, [text])]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"_rels/.rels": None}, id="no relations"),
        pytest.param({"xl/workbook.xml": None}, id="no workbook"),
        pytest.param({_SHEET: None}, id="no sheet"),
        pytest.param({_SHEET: b"<a><sheetData>"}, id="cut off"),
        pytest.param({_SHEET: b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}, id="entities"),
        pytest.param({_SHEET: sheet_of(b'<c r="ZZZZZ1"><v>1</v></c>')}, id="far column"),
        pytest.param({_SHEET: sheet_of(b'<c t="s"><v>99</v></c>')}, id="unknown text"),
        pytest.param(
            {_SHEET: sheet_of(b'<c t="inlineStr"><is><t>' + b"x" * 200_000 + b"</t></is></c>")},
            id="text without end",
        ),
        pytest.param(
            {
                _SHEET: sheet_of(
                    b'<c t="inlineStr"><is>' + b"<r><t>x</t></r>" * 200_000 + b"</is></c>"
                )
            },
            id="runs without end",
        ),
        pytest.param(
            {_SHEET: sheet_of((b'<c t="str"><v>' + b"x" * 90_000 + b"</v></c>") * 12)},
            id="row without end",
        ),
    ],
)
def test_a_damaged_workbook_is_told_of(changes: dict[str, bytes | None]) -> None:
    parts = parts_of(saved(["x"])) | changes
    with pytest.raises(BadWorkbook):
        list(read_rows(packed({name: part for name, part in parts.items() if part is not None})))


@pytest.mark.parametrize("content", [b"", b"Key,Title\n", b"PK\x03\x04\x14\x00\x06\x00"])
def test_what_is_no_workbook_is_told_of(content: bytes) -> None:
    with pytest.raises(BadWorkbook):
        list(read_rows(io.BytesIO(content)))


def test_a_workbook_written_here_is_one_to_others() -> None:
    rows = [["明光", 5, Decimal("1100.04"), None], ["=1+1", -3, None, "<&>"]]
    book = openpyxl.load_workbook(written(["a", "b", "c", "d"], *rows))
    assert book.active is not None
    values = [list(row) for row in book.active.values]
    assert values == [
        ["a", "b", "c", "d"],
        ["明光", 5, 1100.04, None],
        ["=1+1", -3, None, "<&>"],
    ]
    assert book.active["A3"].data_type != "f"


def test_more_rows_than_a_sheet_holds_go_on_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx_writer, "_MOST_ROWS", 3)
    book = openpyxl.load_workbook(written(["n"], *[[number] for number in range(5)]))
    assert [[cell for (cell,) in sheet.values] for sheet in book.worksheets] == [
        ["n", 0, 1],
        ["n", 2, 3],
        ["n", 4],
    ]


@given(st.lists(st.lists(st.text(max_size=5), min_size=1, max_size=3), max_size=3))
@settings(max_examples=100, deadline=None)
def test_whatever_text_is_written_is_read(rows: list[list[str]]) -> None:
    held = [(number, row) for number, row in enumerate([["header"], *rows], start=1) if any(row)]
    found = list(read_rows(written(["header"], *rows)))
    assert found == [(number, without_blank_end(row)) for number, row in held]


def without_blank_end(row: list[str]) -> list[str]:
    while row and not row[-1]:
        row = row[:-1]
    return row


def test_neither_way_keeps_the_rows() -> None:
    def rows() -> Iterator[list[str]]:
        for number in range(60_000):
            yield [f"name {number}", f"mail{number}@firm.example", "same"]

    with peak_memory() as peak:
        file = io.BytesIO()
        for block in xlsx_writer.workbook(["a", "b", "c"], rows()):
            file.write(block)
        size = file.getbuffer().nbytes
        assert sum(1 for _ in read_rows(file)) == 60_001
        assert peak() - size < 6_000_000


_FAR_RIGHT = "".join(
    f'<row r="{number}"><c r="XFD{number}"><v>1</v></c></row>' for number in range(1, 4_000)
)
_LONG_TEXTS = "".join(f"<si><t>{number:090000}</t></si>" for number in range(400))
_CELLS_WITH_THEM = "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(400))


@pytest.mark.parametrize(
    ("rows", "texts"),
    [
        pytest.param(_FAR_RIGHT, "", id="cells far to the right"),
        pytest.param(_CELLS_WITH_THEM, _LONG_TEXTS, id="long texts that differ"),
    ],
)
def test_a_small_file_does_not_take_a_lot_of_memory(rows: str, texts: str) -> None:
    parts = parts_of(saved(["x"]))
    parts[_SHEET] = f"<worksheet><sheetData>{rows}</sheetData></worksheet>".encode()
    file = packed(parts | with_texts(parts, texts))
    with peak_memory() as peak:
        for _row in read_rows(file):
            pass
        assert peak() < 30_000_000
