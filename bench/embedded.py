"""The platform in one process, as ``make run`` starts it: its start, its memory, an import."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

import psutil
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from bench import bare, deals
from bench.figures import Figure, Run, Target, Yardstick, median
from crm_client import imports
from crm_client.client import Client
from crm_client.tokens import PasswordGrant
from crm_local.processes import free_port

_EMAIL, _PASSWORD = "admin@example.com", "correct horse battery staple"
_ROUNDS = 3
_LIBRARIES = """
import alembic, flask_smorest, kombu, opentelemetry.sdk.trace, pika, psycopg, sqlalchemy.orm
import waitress
print("ready", flush=True)
input()
"""
_LOOK_SECONDS = 0.02
_PATIENCE_SECONDS = 300.0
_MEGABYTE = 1_000_000

_START = Target("at most", 5.0)
_MEMORY = Target("at most", 250.0)
_IMPORT = Target("at most", 30.0)


def run(run: Run) -> list[Figure]:
    """Starts, in turns with a process that only imports the libraries; in the last, an import."""
    bare_starts, first_starts, later_starts = [], [], []
    count = run.count(8_800, 1_000)
    for number in range(_ROUNDS):
        data_dir = run.folder / f"data-{number}"
        with _started([sys.executable, "-c", _LIBRARIES], {}, "ready") as libraries:
            bare_starts.append(libraries.seconds)
            bare_memory = libraries.megabytes
        with _platform(data_dir) as platform:
            first_starts.append(platform.seconds)
        with _platform(data_dir) as platform:
            later_starts.append(platform.seconds)
            if number == _ROUNDS - 1:
                idle_memory = platform.megabytes
                import_seconds = _import(platform.address, run.folder, count)
                memory = platform.megabytes
    libraries_start = Yardstick("importing the libraries", median(bare_starts))
    libraries_memory = Yardstick("the libraries", bare_memory)
    return [
        Figure("first start to ready", median(first_starts), "s", libraries_start, _START),
        Figure("later start to ready", median(later_starts), "s", libraries_start, _START),
        Figure("resident when ready", idle_memory, "MB", libraries_memory, _MEMORY),
        Figure("resident after the import", memory, "MB", libraries_memory, _MEMORY),
        Figure(
            f"{count:,} deals uploaded until the KPIs agree",
            import_seconds,
            "s",
            Yardstick("as many rows with SQLAlchemy", _stored(run.folder / "bare.db", count)),
            _IMPORT,
        ),
    ]


@dataclass(frozen=True, slots=True)
class _Started:
    """A process that has said that it is ready.

    :ivar seconds: how long that took.
    """

    seconds: float
    process: psutil.Popen
    address: str = ""

    @property
    def megabytes(self) -> float:
        """Its resident memory."""
        return self.process.memory_info().rss / _MEGABYTE


@contextmanager
def _started(command: list[str], environment: dict[str, str], ready: str) -> Iterator[_Started]:
    """A process from its start to its ready line, and then for as long as the context lasts."""
    began = time.perf_counter()
    process = psutil.Popen(
        command,
        env=os.environ | environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout:
            if ready in line:
                break
        else:
            raise RuntimeError(f"{command} ended before it was ready")
        yield _Started(time.perf_counter() - began, process)
    finally:
        process.terminate()
        process.communicate(timeout=60)


@contextmanager
def _platform(data_dir: Path) -> Iterator[_Started]:
    port = free_port()
    environment = {
        "PORT": str(port),
        "DATA_DIR": str(data_dir),
        "SAMPLE": "0",
        "ADMIN_EMAIL": _EMAIL,
        "ADMIN_PASSWORD": _PASSWORD,
    }
    with _started([sys.executable, "-m", "crm_local"], environment, "The CRM runs at") as started:
        yield replace(started, address=f"http://127.0.0.1:{port}")


def _import(address: str, folder: Path, count: int) -> float:
    """Seconds from the upload of the deals until the KPIs are what the files say."""
    client = Client(address)
    client.sign_in(PasswordGrant(_EMAIL, _PASSWORD))
    company = deals.write(folder, count)
    *masters, last = company.files
    for file in masters:
        _take_in(client, file)
    while _finished(client, last, dry_run=True).failed:
        time.sleep(_LOOK_SECONDS)  # sales has not yet heard of every account and agent
    began = time.perf_counter()
    _take_in(client, last)
    while (found := _totals(client, company.figures)) != company.figures:
        if time.perf_counter() - began > _PATIENCE_SECONDS:
            raise TimeoutError(f"the KPIs are {found}, not {company.figures}")
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - began


def _take_in(client: Client, file: deals.File) -> None:
    job = _finished(client, file, dry_run=False)
    if job.state != "done" or job.failed:
        raise RuntimeError(f"{job}: {list(imports.errors(client, job))[:3]}")


def _finished(client: Client, file: deals.File, *, dry_run: bool) -> imports.ImportJob:
    job = imports.create(client, file.resource, file.path.name, file.mapping, dry_run=dry_run)
    job = imports.upload(client, job, file.path)
    while not job.ended:
        time.sleep(_LOOK_SECONDS)
        job = imports.get(client, job.service, job.id)
    return job


def _totals(client: Client, names: Iterable[str]) -> dict[str, Decimal]:
    answers = {name: client.get(f"/api/reporting/v1/kpis/{name}") for name in names}
    return {name: Decimal(answer["total"]["value"] or 0) for name, answer in answers.items()}


def _stored(path: Path, count: int) -> float:
    """Seconds in which SQLAlchemy stores as many rows, an event beside each, 500 a commit."""
    engine = create_engine(f"sqlite:///{path}")
    bare.Tables.metadata.create_all(engine)
    began = time.perf_counter()
    for first in range(0, count, 500):
        with Session(engine) as session, session.begin():
            for _ in range(first, min(first + 500, count)):
                bare.store(session, bare.NEW_ACCOUNT)
    return time.perf_counter() - began
