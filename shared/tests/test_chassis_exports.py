"""A list as a file: CSV that no spreadsheet executes, and workbooks."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import openpyxl
import pytest

from crm_chassis.imports.files import CSV, XLSX, read_csv, write_rows
from crm_chassis.testing_harness import Harness


@pytest.fixture
def written(make_service: Any) -> Harness:
    """Notes with titles that a spreadsheet would execute, and others."""
    notes = make_service("notes")
    user = notes.as_user()
    for title, price in (
        ("=1+1", "1100.04"),
        ("+cmd|' /C calc'!A0", "99999999999999.9999"),
        ("明光", "-5"),
    ):
        assert user.post("/v1/notes", json={"title": title, "price": price}).status_code == 201
    return notes


def test_what_a_spreadsheet_would_execute_is_guarded_and_read_back(written: Harness) -> None:
    content = written.as_user().get("/v1/exports/notes").data
    titles = {row["title"] for row in csv.DictReader(io.StringIO(content.decode()))}
    assert titles == {"'=1+1", "'+cmd|' /C calc'!A0", "明光"}
    read = {row["title"] for _, row in read_csv(io.BytesIO(content), ["title", "price"])}
    assert read == {"=1+1", "+cmd|' /C calc'!A0", "明光"}
    assert {row["price"] for _, row in read_csv(io.BytesIO(content), ["price"])} >= {"-5.00"}


def test_a_workbook_for_who_accepts_one(written: Harness) -> None:
    answer = written.as_user().get("/v1/exports/notes", headers={"Accept": XLSX})
    assert answer.mimetype == XLSX
    assert answer.headers["Content-Disposition"].endswith('notes.xlsx"')
    sheet = openpyxl.load_workbook(io.BytesIO(answer.data)).active
    assert sheet is not None
    header, *rows = sheet.values
    found = {row[header.index("title")]: row[header.index("price")] for row in rows}
    assert found["明光"] == -5
    assert Decimal(str(found["=1+1"])) == Decimal("1100.04")
    assert found["+cmd|' /C calc'!A0"] == "99999999999999.9999"  # more digits than Excel keeps


@pytest.mark.parametrize("accept", ["*/*", "text/csv", "application/json", "text/csv, */*;q=0.1"])
def test_csv_for_everybody_else(written: Harness, accept: str) -> None:
    answer = written.as_user().get("/v1/exports/notes", headers={"Accept": accept})
    assert answer.content_type == "text/csv; charset=utf-8"
    assert answer.headers["Vary"] == "Accept"


@pytest.mark.parametrize(
    "cell",
    [
        "+8613800138000",
        "-5.00",
        "+86 571 5550 0142; 0571-5550-0143",
        "+1 (555) 010",
        "'quoted",
        "-",
    ],
)
def test_numbers_and_quotes_stay_as_they_are(cell: str) -> None:
    blocks = b"".join(write_rows(["a"], [[cell]], CSV))
    assert [row["a"] for row in csv.DictReader(io.StringIO(blocks.decode()))] == [cell]


@pytest.mark.parametrize("cell", ["=1", "@x", "\tx", "-1+cmd", "+a", "'=1", "''=1", "-=1", "+1;=2"])
def test_formulas_are_read_back_as_they_were(cell: str) -> None:
    blocks = b"".join(write_rows(["a", "b"], [[cell, "x"]], CSV))
    guarded = next(csv.DictReader(io.StringIO(blocks.decode())))["a"]
    assert guarded == f"'{cell}"
    assert [row["a"] for _, row in read_csv(io.BytesIO(blocks), ["a"])] == [cell]
