"""The stack of docker-compose.yml, brought up for real: the README's tour, kills, the end.

The tests of ``tests/integration`` run against it, too, where COMPOSE=1.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest
import urllib3

from crm_local.compose import ROOT, ComposePlatform
from crm_local.processes import wait_until
from crm_local.testing import EMAIL, Running

PASSWORD = "first-sign-in"
EVENTUALLY_SECONDS = 60

pytestmark = [
    pytest.mark.skipif(
        os.environ.get("COMPOSE") != "1",
        reason="COMPOSE=1 asks for it: it builds images and takes minutes",
    ),
    pytest.mark.timeout(1800),
]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComposePlatform]:
    """The stack as anyone has it who sets nothing but a port."""
    subprocess.run([sys.executable, ROOT / "deploy/compose/images.py"], check=True)
    stack = ComposePlatform(tmp_path_factory.mktemp("stack"))
    try:
        stack.start()
        yield stack
    finally:
        stack.stop()


@pytest.fixture
def running(stack: ComposePlatform) -> Running:
    return Running(stack.address, stack)


def eventually(question: Callable[[], object], wanted: object) -> None:
    """Ask until the answer is the wanted one; what follows from an event takes a moment."""
    deadline = time.monotonic() + EVENTUALLY_SECONDS
    while (answer := question()) != wanted and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer == wanted


def tour() -> str:
    """The commands of the README, as they stand there."""
    readme = (ROOT / "README.md").read_text()
    return re.search(r"## Five minutes.*?```sh\n(.*?)```", readme, re.DOTALL)[1]


def test_the_tour_of_the_readme(running: Running, tmp_path: Path) -> None:
    commands = tmp_path / ".venv" / "bin"
    commands.mkdir(parents=True)
    (commands / "crm").symlink_to(Path(sys.executable).with_name("crm"))
    place = running.address.removeprefix("http://")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", tour().replace("localhost:8080", place)],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert "Northwind" in (tmp_path / "deals.csv").read_text()
    client = running.client(EMAIL, PASSWORD)
    sales = "/api/reporting/v1/kpis/sales"
    eventually(lambda: Decimal(client.get(sales)["total"]["value"] or 0), Decimal(12000))


def test_the_memory_of_the_whole_is_below_two_gigabytes(stack: ComposePlatform) -> None:
    names = [container.id for container in stack.containers()]
    command = ["docker", "stats", "--no-stream", "--format={{.MemUsage}}", *names]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = [float(re.match(r"([\d.]+)MiB", line)[1]) for line in shown.splitlines()]
    assert len(used) == len(names)
    assert sum(used) < 2048


class Writer(threading.Thread):
    """Opens deals until it is told to stop, sending each until it is answered for good."""

    def __init__(self, running: Running) -> None:
        super().__init__(daemon=True)
        self._running = running
        self._url = f"{running.address}/api/sales/v1/opportunities"
        self._pool = urllib3.PoolManager(retries=False, timeout=10)
        self._token = running.access_token(EMAIL, PASSWORD)
        self._over = threading.Event()
        self.opened = 0
        self.failure: object = None

    def run(self) -> None:
        while not self._over.is_set() and self.failure is None:
            key = str(uuid.uuid4())
            while not self._sent(key):
                time.sleep(0.2)
            self.opened += 1

    def _sent(self, key: str) -> bool:
        headers = {"Idempotency-Key": key, "Authorization": f"Bearer {self._token}"}
        deal = {"name": key, "amount": "1.00", "currency": "EUR", "opened_on": "2031-01-01"}
        try:
            answer = self._pool.request("POST", self._url, json=deal, headers=headers)
        except urllib3.exceptions.HTTPError:
            return False
        if answer.status not in (201, 500, 502, 503, 504):
            self.failure = answer.data
        return answer.status == 201 or self.failure is not None

    def finish(self) -> None:
        self._over.set()
        self.join(60)


def test_a_kill_of_any_container_loses_nothing(stack: ComposePlatform, running: Running) -> None:
    client = running.client(EMAIL, PASSWORD)

    def deals() -> int:
        return int(client.get("/api/reporting/v1/kpis/opportunities_by_stage")["total"]["value"])

    before = deals()
    writer = Writer(running)
    writer.start()
    for container in stack.containers():
        aim = writer.opened + 10
        wait_until(lambda aim=aim: writer.opened >= aim, "deals to be opened")
        container.kill()
        assert not container.running
        container.start()
        container.wait_ready()
    writer.finish()

    assert writer.failure is None
    eventually(deals, before + writer.opened)
    for process in stack.processes():
        process.wait_ready()
    for name in ("customer", "sales", "marketing", "service-desk", "reporting"):
        assert client.get(f"/api/{name}/v1/events/parked")["items"] == []
    stack.run("reporting", "projections", "verify")  # fails where a table differs


def test_at_the_end_every_container_ends_by_itself(stack: ComposePlatform) -> None:
    stack.compose("stop")
    ends = {container.name: container.exit_status for container in stack.containers()}
    assert set(ends.values()) == {0}, ends  # 137: killed after the grace period
