from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from notes_service import CONTRACTS, create_app
from sqlalchemy import NullPool, create_engine, inspect, text
from tcp_proxy import TcpProxy

from crm_chassis.broker import topology
from crm_chassis.broker.embedded import Exchanges
from crm_chassis.testing_harness import Harness

MakeService = Callable[..., Harness]


def emptied(url: str) -> str:
    """The database without rows; its tables are kept from test to test, to save time."""
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        for table in inspect(connection).get_table_names():
            if table != "alembic_version":
                connection.execute(text(f"DELETE FROM {table}"))
    return url


@pytest.fixture(scope="session")
def kept_postgres_url(postgres: Any) -> str:
    """A PostgreSQL database for all tests that need no other one at the same time."""
    return postgres.create_database("notes")


@pytest.fixture
def postgres_url(kept_postgres_url: str) -> str:
    """A PostgreSQL database without rows."""
    return emptied(kept_postgres_url)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A database of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('kept') / 'kept.db'}"
    return request.getfixturevalue("kept_postgres_url")


@pytest.fixture
def database_url(kept_url: str) -> str:
    """A database of each kind in turn, without rows."""
    return emptied(kept_url)


@pytest.fixture(scope="module")
def kept_notes(kept_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Harness]:
    """The notes service on each kind of database in turn, with whatever rows there are."""
    folder = tmp_path_factory.mktemp("notes")
    with closing(Harness(create_app, "notes", folder, kept_url)) as harness:
        yield harness


@pytest.fixture
def notes(kept_notes: Harness, database_url: str) -> Harness:
    """The notes service on each kind of database in turn, without rows."""
    return kept_notes


@pytest.fixture
def exchanges() -> Exchanges:
    """The embedded broker's exchanges."""
    return Exchanges(CONTRACTS)


@pytest.fixture
def make_service(tmp_path: Path) -> Iterator[MakeService]:
    """Makes services that are closed when the test ends; SQLite unless told otherwise."""
    made: list[Harness] = []

    def make(name: str = "notes", database_url: str | None = None, **parts: Any) -> Harness:
        folder = tmp_path / f"{name}-{len(made)}"
        folder.mkdir()
        made.append(Harness(create_app, name, folder, database_url, **parts))
        return made[-1]

    yield make
    for harness in made:
        harness.close()


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """Polls until a condition is true, and gives what it returned."""

    def wait(condition: Callable[[], Any], seconds: float = 15) -> Any:
        deadline = time.monotonic() + seconds
        while not (result := condition()):
            assert time.monotonic() < deadline, "waited in vain"
            time.sleep(0.01)
        return result

    return wait


@pytest.fixture
def at_once() -> Callable[..., list[Any]]:
    """Calls a function in many threads that start together; gives what each returned or raised."""

    def run(function: Callable[[], Any], times: int) -> list[Any]:
        barrier = threading.Barrier(times)
        results: list[Any] = []

        def one() -> None:
            barrier.wait()
            try:
                results.append(function())
            except Exception as error:
                results.append(error)

        threads = [threading.Thread(target=one) for _ in range(times)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert len(results) == times
        return results

    return run


@pytest.fixture
def cable() -> Iterator[Callable[[str], TcpProxy]]:
    """Makes a way to a server that can be cut."""
    made: list[TcpProxy] = []

    def lay(url: str) -> TcpProxy:
        made.append(TcpProxy(url))
        return made[-1]

    yield lay
    for proxy in made:
        proxy.cut()


@pytest.fixture
def rabbitmq_accounts(rabbitmq: Any) -> dict[str, str]:
    """The example's topology on RabbitMQ, and each service's address with its least rights."""
    admin_url = rabbitmq.create_vhost("example")
    urls = {}
    for service in topology.services(CONTRACTS):
        account = f"{service}-{secrets.token_hex(4)}:{secrets.token_hex(8)}"
        parts = urlsplit(admin_url)
        netloc = f"{account}@{parts.netloc.rpartition('@')[2]}"
        urls[service] = parts._replace(netloc=netloc).geturl()
    rabbitmq.import_definitions(topology.definitions(CONTRACTS, urls))
    return urls | {"admin": admin_url}
