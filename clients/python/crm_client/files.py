"""The files that are imported and exported: CSV and Excel workbooks, told apart by their names."""

from __future__ import annotations

from pathlib import Path

CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def content_type_of(path: Path) -> str:
    """What a file is, or is to be: a workbook when it ends in ``.xlsx``, else CSV."""
    return XLSX if path.suffix.lower() == ".xlsx" else CSV
