"""What a database decides, on PostgreSQL: races, trees, documents."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from crm_chassis.testing_servers import PostgresServer
from crm_gateway.testing_harness import Caller, Running, running_gateway, settings_for

IDENTITY = "/api/identity/v1"


@pytest.fixture
def gateway(tmp_path: Path, postgres: PostgresServer, service_address: str) -> Iterator[Running]:
    settings = settings_for(
        tmp_path, service_address, database_url=postgres.create_database("gateway")
    )
    with running_gateway(settings) as running:
        yield running


def test_of_many_refreshes_at_once_one_is_let_through(gateway: Running, admin: Caller) -> None:
    token = admin.tokens["refresh_token"]

    def refresh(_: int) -> int:
        return gateway.token(grant_type="refresh_token", refresh_token=token).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(refresh, range(8))) == [200] + [400] * 7


def test_two_moves_at_once_make_no_circle(admin: Caller) -> None:
    for round_ in range(5):
        first, second = (admin.create("teams", name=f"{name}{round_}") for name in "AB")

        def move(pair: tuple[dict[str, Any], dict[str, Any]]) -> int:
            moved, above = pair
            path = f"{IDENTITY}/teams/{moved['id']}"
            return admin.patch(path, 1, {"parent_id": above["id"]}).status

        with ThreadPoolExecutor(2) as pool:
            statuses = list(pool.map(move, [(first, second), (second, first)]))
        assert sorted(statuses) == [200, 409]


def test_of_many_edits_with_one_version_one_is_let_through(admin: Caller) -> None:
    user = admin.create("users", name="A", roles=["agent"])

    def rename(number: int) -> int:
        return admin.patch(f"{IDENTITY}/users/{user['id']}", 1, {"name": f"B{number}"}).status

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(rename, range(10))) == [200] + [412] * 9


def test_of_many_users_with_one_address_one_is_added(admin: Caller) -> None:
    def add(number: int) -> int:
        values = {"name": f"A{number}", "email": "same@example.com"}
        return admin.post(f"{IDENTITY}/users", values).status

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(add, range(6))) == [201] + [409] * 5
