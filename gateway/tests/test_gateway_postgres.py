"""What a database decides, on PostgreSQL: races, trees, documents."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from crm_chassis.testing_servers import PostgresServer
from crm_gateway.clients.commands import end_former_secret
from crm_gateway.clients.models import Client
from crm_gateway.testing_harness import (
    ADMIN_EMAIL,
    ADMIN_PASSWORD,
    Caller,
    Running,
    eventually,
    running_gateway,
    settings_for,
)
from crm_gateway.users.commands import set_password
from crm_gateway.users.queries import user_by_email

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


def status_of_sign_in_beside(
    gateway: Running, change: Callable[[Session], None], **form: str
) -> int:
    """Of a sign-in that comes while a change of its principal is made, and not yet committed."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")

    def waits() -> bool:
        with gateway.service.database.reading() as session:
            return bool(session.scalar(waiting))

    with ThreadPoolExecutor(1) as pool:
        with gateway.service.database.transaction() as session:
            change(session)
            signing_in = pool.submit(gateway.token, **form)
            eventually(lambda: signing_in.done() or waits())
        return signing_in.result(10).status


def test_a_sign_in_does_not_overtake_a_reset_of_the_password(gateway: Running) -> None:
    def reset(session: Session) -> None:
        user = user_by_email(session, ADMIN_EMAIL)
        assert user is not None
        set_password(session, user, "another long one")

    form = {"grant_type": "password", "username": ADMIN_EMAIL, "password": ADMIN_PASSWORD}
    assert status_of_sign_in_beside(gateway, reset, **form) == 400
    assert gateway.sign_in(password="another long one")


def test_a_client_does_not_overtake_the_end_of_its_former_secret(
    gateway: Running, admin: Caller
) -> None:
    path = f"{IDENTITY}/clients/{admin.create('clients', name='ERP')['id']}/secret"
    former = admin.post(path, {}).json()
    newest = admin.post(path, {"overlap_seconds": 3600}).json()

    def end(session: Session) -> None:
        client = session.get_one(Client, former["client_id"])
        end_former_secret(session, client.as_principal(), client)

    form = {"grant_type": "client_credentials"}
    assert status_of_sign_in_beside(gateway, end, **form, **former) == 401
    assert gateway.token(**form, **newest).status == 200


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
