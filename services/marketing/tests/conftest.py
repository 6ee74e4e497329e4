from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_chassis.testing_harness import Harness
from crm_marketing.app import create_app


@pytest.fixture
def marketing(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "marketing", tmp_path)
    yield harness
    harness.close()
