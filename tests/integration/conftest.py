"""The platform whole, in each way to run; in the containers of docker-compose.yml if COMPOSE=1."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crm_local.testing import (
    Person,
    Running,
    compose_platform,
    embedded_platform,
    process_platform,
)

WAYS = ("embedded", "servers", *(["compose"] if os.environ.get("COMPOSE") == "1" else []))


@contextmanager
def started(request: pytest.FixtureRequest, folder: Path) -> Iterator[Running]:
    if request.param == "embedded":
        with embedded_platform(folder) as running:
            yield running
        return
    if request.param == "compose":
        with compose_platform(folder) as running:
            yield running
        return
    postgres = request.getfixturevalue("postgres")
    rabbitmq = request.getfixturevalue("rabbitmq")
    with process_platform(folder, postgres, rabbitmq) as running:
        yield running


@pytest.fixture(scope="session", params=WAYS)
def platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A platform that tests share, once in each way to run: what one made, others may find."""
    with started(request, tmp_path_factory.mktemp("platform")) as running:
        yield running


@pytest.fixture(scope="module", params=WAYS)
def empty_platform(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    """A platform with nothing in it, for one module, once in each way to run."""
    with started(request, tmp_path_factory.mktemp("empty")) as running:
        yield running


@pytest.fixture
def admin(platform: Running) -> Person:
    return platform.administrator()


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
