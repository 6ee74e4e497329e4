from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_chassis.testing_harness import Harness
from crm_sales.app import create_app


@pytest.fixture
def sales(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "sales", tmp_path)
    yield harness
    harness.close()
