"""A catalogue of made-up events, for what the real one happens not to have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crm_contracts import Catalogue

PARCEL_SENT = "crm.sales.parcel.sent.v1"

Rewrite = Callable[[str, Any], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder of contracts with one event, ``PARCEL_SENT``, that sales tells reporting."""
    _write(tmp_path / "events/cloudevent.json", {"type": "object"})
    _write(
        tmp_path / "events/sales/parcel.json",
        {
            "title": "Parcel",
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "stops": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "additionalProperties": False,
                        "properties": {
                            "city": {"type": "string"},
                            "receiver": {"type": "string", "x-personal": "name"},
                        },
                    },
                },
            },
        },
    )
    _write(
        tmp_path / "events/sales/parcel.sent.v1.schema.json",
        {
            "title": "Parcel sent",
            "$ref": "parcel.json",
            "required": ["sent_on"],
            "properties": {"sent_on": {"type": "string", "format": "date"}},
            "unevaluatedProperties": False,
        },
    )
    _write(tmp_path / "events/sales/parcel.sent.v1.example.json", {"type": PARCEL_SENT})
    _write(
        tmp_path / "catalogue.yaml",  # JSON is YAML
        {
            "services": ["sales", "reporting"],
            "events": {
                PARCEL_SENT: {
                    "producer": "sales",
                    "consumers": ["reporting"],
                    "summary": "A parcel was sent.",
                }
            },
        },
    )
    return tmp_path


@pytest.fixture
def rewrite(folder: Path) -> Rewrite:
    """Replaces a file of the made-up folder."""
    return lambda name, document: _write(folder / name, document)


@pytest.fixture
def made_up(folder: Path) -> Catalogue:
    return Catalogue.load(folder)


def _write(path: Path, document: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document), "utf-8")
