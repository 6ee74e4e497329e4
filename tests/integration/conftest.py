"""The platform whole, in both ways to run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from crm_local.testing import Running, embedded_platform, process_platform


@pytest.fixture(scope="module", params=["embedded", "servers"])
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """An empty platform, once in each way to run."""
    folder = tmp_path_factory.mktemp("platform")
    if request.param == "embedded":
        with embedded_platform(folder) as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres")
    rabbitmq = request.getfixturevalue("rabbitmq")
    with process_platform(folder, postgres, rabbitmq) as running:
        yield running


@pytest.fixture
def eventually() -> Callable[..., Any]:
    """Ask until the answer is the wanted one; what follows from an event takes a moment."""

    def ask(question: Callable[[], Any], wanted: Any, seconds: float = 20.0) -> Any:
        deadline = time.monotonic() + seconds
        answer = question()
        while answer != wanted and time.monotonic() < deadline:
            time.sleep(0.02)
            answer = question()
        assert answer == wanted
        return answer

    return ask
