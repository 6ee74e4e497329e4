"""Real kills while 5,000 changes are made: none lost, none counted twice, nothing stuck."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
import urllib3

from crm_chassis.testing_servers import PostgresServer, RabbitServer
from crm_local.compose import ComposePlatform, Container
from crm_local.platform import Platform
from crm_local.processes import Process, wait_until
from crm_local.testing import Running, compose_platform, process_platform

DEALS = 2_500  # each is opened and won: two changes
WRITERS = 4
WAYS = ("servers", *(["compose"] if os.environ.get("COMPOSE") == "1" else []))
CLOSED_ON = "2031-03-15"


@dataclass(frozen=True)
class Production:
    """The platform as it runs in production, with its servers' power switches."""

    running: Running
    postgres: PostgresServer | Container
    rabbitmq: RabbitServer | Container


@pytest.fixture(scope="module", params=WAYS)
def production(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Production]:
    folder = tmp_path_factory.mktemp("faults")
    if request.param == "compose":
        with compose_platform(folder) as running:
            assert isinstance(running.inside, ComposePlatform)
            yield Production(running, running.inside.postgres, running.inside.rabbitmq)
        return
    postgres = request.getfixturevalue("postgres")
    rabbitmq = request.getfixturevalue("rabbitmq")
    if not (postgres.is_ours and rabbitmq.is_ours):
        pytest.skip("only servers that this run has started can be stopped")
    with process_platform(folder, postgres, rabbitmq) as running:
        yield Production(running, postgres, rabbitmq)


class Writers:
    """Open and win deals through the gateway, sending each request until it is answered for good.

    Every request has its own Idempotency-Key, so that one whose answer was lost is not done twice.
    """

    def __init__(self, address: str, token: str) -> None:
        self._token = token
        self._pool = urllib3.PoolManager(maxsize=WRITERS, retries=False, timeout=10)
        self._base = f"{address}/api/sales/v1/opportunities"
        self._lock = threading.Lock()
        self._numbers = iter(range(DEALS))
        self.amount = Decimal(0)
        self.won = 0
        self.threads = [threading.Thread(target=self._work) for _ in range(WRITERS)]

    def _work(self) -> None:
        while (number := self._next()) is not None:
            amount = Decimal(100 + number)
            deal = self._send(
                "", {"name": f"交易 {number}", "amount": str(amount), "currency": "EUR"}
            )
            self._send(f"/{deal['id']}/win", {"closed_on": CLOSED_ON}, deal["version"])
            with self._lock:
                self.amount += amount
                self.won += 1

    def _next(self) -> int | None:
        with self._lock:
            return next(self._numbers, None)

    def _send(self, path: str, body: dict[str, str], version: int | None = None) -> Any:
        headers = {"Idempotency-Key": str(uuid.uuid4())}
        if "closed_on" not in body:
            body |= {"opened_on": "2031-01-01"}
        if version is not None:
            headers["If-Match"] = f'"{version}"'
        while True:
            headers["Authorization"] = f"Bearer {self._token}"
            try:
                answer = self._pool.request("POST", self._base + path, json=body, headers=headers)
            except urllib3.exceptions.HTTPError:
                time.sleep(0.2)
                continue
            if answer.status < 300:
                return answer.json()
            assert answer.status in (500, 502, 503, 504), answer.data
            time.sleep(0.2)


def ready(process: Process | Container, check: str) -> bool:
    checks = process.readiness().get("checks", {})
    return isinstance(checks, dict) and bool(checks.get(check, False))


def test_no_change_is_lost_or_counted_twice(
    production: Production, eventually: Callable[..., Any]
) -> None:
    running, postgres, rabbitmq = production.running, production.postgres, production.rabbitmq
    inside = running.inside
    assert not isinstance(inside, Platform)
    client = running.client()
    writers = Writers(running.address, running.access_token())
    for thread in writers.threads:
        thread.start()

    reporting, sales = inside.workers["reporting"][0], inside.workers["sales"][0]
    for worker in (reporting, sales, reporting, sales):
        wait_for_progress(writers)
        worker.kill()
        assert not worker.readiness()["ready"]
        worker.start()
        worker.wait_ready()

    wait_for_progress(writers)
    rabbitmq.stop()
    wait_until(lambda: not ready(reporting, "consumer"), "the consumer to tell it is detached")
    wait_until(lambda: not ready(sales, "broker"), "the relay to tell it is cut off")
    assert ready(inside.apis["sales"], "database")
    rabbitmq.start()
    for worker in (reporting, sales):
        worker.wait_ready()

    wait_for_progress(writers)
    postgres.stop()
    wait_until(lambda: not ready(inside.apis["sales"], "database"), "the api to tell the truth")
    wait_until(lambda: not reporting.readiness()["ready"], "the worker to tell the truth")
    postgres.start()
    for process in inside.processes():
        process.wait_ready()

    for thread in writers.threads:
        thread.join(240)
    assert writers.won == DEALS

    def figures() -> tuple[int, Decimal]:
        period = {"from": "2031-01-01", "to": "2031-12-31"}
        count = client.get("/api/reporting/v1/kpis/won_count", period)
        value = client.get("/api/reporting/v1/kpis/sales", period)
        return count["total"]["value"] or 0, Decimal(value["total"]["value"] or 0)

    eventually(figures, (DEALS, writers.amount), 60)
    for service in ("sales", "reporting"):
        assert client.get(f"/api/{service}/v1/events/parked")["items"] == []
    inside.run("reporting", "projections", "verify")  # fails where a table differs


def wait_for_progress(writers: Writers) -> None:
    """Let some more changes be made, if there are any left to make."""
    aim = min(writers.won + 150, DEALS)
    wait_until(lambda: writers.won >= aim, "changes to be made")
