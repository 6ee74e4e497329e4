"""The embedded platform killed at any moment: started again, it has lost and doubled nothing."""

from __future__ import annotations

import csv
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
import urllib3

from crm_client import imports
from crm_client.client import Client
from crm_client.errors import UnreachableError
from crm_client.mapping import Mapping
from crm_client.tokens import PasswordGrant
from crm_local.processes import free_port, wait_until
from crm_local.testing import EMAIL, PASSWORD

DEALS = 4_000
KILLS = 5


@contextmanager
def started(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environment = {
        "PATH": os.environ["PATH"],
        "PORT": str(port),
        "DATA_DIR": str(folder),
        "ADMIN_EMAIL": EMAIL,
        "ADMIN_PASSWORD": PASSWORD,
        "SAMPLE": "0",
    }
    with (folder / "log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "crm_local"], env=environment, stdout=log, stderr=log
        )
    try:
        wait_until(lambda: answers(port), "the platform to answer", (folder / "log").read_text)
        yield process
    finally:
        process.kill()
        process.wait()


def answers(port: int) -> bool:
    try:
        url = f"http://127.0.0.1:{port}/readyz"
        return urllib3.request("GET", url, timeout=2, retries=False).status == 200
    except urllib3.exceptions.HTTPError:
        return False


def deals_file(folder: Path) -> tuple[Path, Decimal]:
    chance = random.Random(20)
    amounts = [Decimal(chance.randrange(1, 10**7)) / 100 for _ in range(DEALS)]
    path = folder / "deals.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["external_id", "amount", "stage", "opened_on", "closed_on", "currency"])
        for number, amount in enumerate(amounts):
            writer.writerow([f"K{number}", amount, "won", "2031-01-02", "2031-03-04", "EUR"])
    return path, sum(amounts, Decimal(0))


def signed_in(port: int) -> Client:
    client = Client(f"http://127.0.0.1:{port}")
    client.sign_in(PasswordGrant(EMAIL, PASSWORD))
    return client


def test_kills_during_an_import_lose_and_double_nothing(tmp_path: Path) -> None:
    port, chance = free_port(), random.Random(7)
    path, value = deals_file(tmp_path)
    columns = ("external_id", "amount", "stage", "opened_on", "closed_on", "currency")
    by_name = {name: [name] for name in columns}
    rules = Mapping(key="external_id", columns=by_name, constants={}, values={})
    with started(tmp_path, port):
        client = signed_in(port)
        job = imports.create(client, "opportunities", path.name, rules)
        imports.upload(client, job, path)
        time.sleep(chance.random())
    for _ in range(KILLS - 1):
        with started(tmp_path, port):
            time.sleep(chance.random())
    with started(tmp_path, port):
        client = signed_in(port)
        wait_until(
            lambda: imports.get(client, job.service, job.id).ended, "the import to be finished"
        )
        done = imports.get(client, job.service, job.id)
        assert (done.created, done.failed) == (DEALS, 0)
        wait_until(
            lambda: figures(client) == (DEALS, value), "the KPIs", lambda: str(figures(client))
        )


def figures(client: Client) -> tuple[int, Decimal]:
    asked = {"from": "2031-01-01", "to": "2031-12-31"}
    try:
        count = client.get("/api/reporting/v1/kpis/won_count", asked)["total"]["value"]
        value = client.get("/api/reporting/v1/kpis/sales", asked)["total"]["value"]
    except UnreachableError:
        pytest.fail("the platform went away")
    return count or 0, Decimal(value or 0)
