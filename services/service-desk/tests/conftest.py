from collections.abc import Iterator
from pathlib import Path

import pytest

from crm_chassis.testing_harness import Harness
from crm_service_desk.app import create_app


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Harness]:
    harness = Harness(create_app, "service-desk", tmp_path)
    yield harness
    harness.close()
