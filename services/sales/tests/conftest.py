from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_chassis.testing_harness import Harness
from crm_chassis.testing_servers import PostgresServer
from crm_sales.app import create_app


@pytest.fixture
def sales(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "sales", tmp_path)
    yield harness
    harness.close()


@pytest.fixture
def sales_on_postgres(tmp_path: Path, postgres: PostgresServer) -> Iterator[Harness]:
    harness = Harness(create_app, "sales", tmp_path, postgres.create_database("sales"))
    yield harness
    harness.close()


@pytest.fixture(params=["sqlite", "postgres"])
def anywhere(request: pytest.FixtureRequest) -> Harness:
    """The service on each of the databases it runs on."""
    name = "sales" if request.param == "sqlite" else "sales_on_postgres"
    harness: Harness = request.getfixturevalue(name)
    return harness
