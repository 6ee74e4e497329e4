"""Fixtures for tests on real servers: ``pytest_plugins = ["crm_chassis.testing"]``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from typing import TypeVar

import pytest

from crm_chassis.testing_servers import (
    PostgresServer,
    RabbitServer,
    Unavailable,
    postgres_server,
    rabbitmq_server,
)

_T = TypeVar("_T")


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Without one the test is skipped, or fails if REQUIRE_SERVERS is 1."""
    with ExitStack() as stack:
        yield _entered(stack, postgres_server())


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitServer]:
    """A RabbitMQ server. Without one the test is skipped, or fails if REQUIRE_SERVERS is 1."""
    with ExitStack() as stack:
        yield _entered(stack, rabbitmq_server())


def _entered(stack: ExitStack, server: AbstractContextManager[_T]) -> _T:
    try:
        return stack.enter_context(server)
    except Unavailable as error:
        if os.environ.get("REQUIRE_SERVERS") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
