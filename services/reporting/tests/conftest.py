from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.testing_harness import Harness
from crm_reporting.app import create_app

pytest_plugins = ["crm_chassis.testing"]


@pytest.fixture
def reporting(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "reporting", tmp_path)
    yield harness
    harness.close()


@pytest.fixture
def reporting_on_postgres(tmp_path: Path, postgres: Any) -> Iterator[Harness]:
    harness = Harness(create_app, "reporting", tmp_path, postgres.create_database("reporting"))
    yield harness
    harness.close()


@pytest.fixture(params=["sqlite", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Harness:
    """The service on each of the databases it runs on."""
    name = "reporting" if request.param == "sqlite" else "reporting_on_postgres"
    harness: Harness = request.getfixturevalue(name)
    return harness
