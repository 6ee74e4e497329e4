"""A file of accounts into PostgreSQL with their events, and out of it again."""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from bench.customers import Customers
from bench.figures import Figure, Run, Target
from bench.services import service_on
from crm_chassis.imports.files import CSV, XLSX, write_rows
from crm_chassis.imports.runner import ImportRunner
from crm_chassis.service import Service
from crm_chassis.testing_harness import Caller, Signer
from crm_customer.app import DEFINITION, create_app

_HEADER = (
    "external_id",
    "name",
    "phones",
    "emails",
    "addresses",
    "industry",
    "region",
    "level",
    "employees",
    "created_on",
)
_ROWS_A_SECOND = Target("at least", 2_000)
_MEGABYTES = Target("at most", 300)
_OWNER = "0190f3a1-0000-7000-8000-000000000001"


@dataclass(frozen=True, slots=True)
class _Measured:
    """How long something took in a process of its own, and the most memory that process had."""

    seconds: float
    peak_megabytes: float


def run(run: Run) -> list[Figure]:
    """Each step in a process of its own, whose memory is measured."""
    figures = []
    for file_format, name, count in (
        (CSV, "CSV", run.count(1_000_000, 10_000)),
        (XLSX, "Excel", run.count(200_000, 10_000)),
    ):
        url = run.servers.postgres.create_database("imports")
        file = run.folder / f"accounts-{name}"
        with file.open("wb") as target:
            target.writelines(write_rows(_HEADER, _rows(count), file_format))
        task = {"url": url, "folder": str(run.folder), "file": str(file), "format": file_format}
        steps = {step: _measure(step, task) for step in ("send", "apply", "export")}
        figures += [
            Figure(
                f"{name}: accounts imported with their events",
                count / steps["apply"].seconds,
                "rows/s",
                target=_ROWS_A_SECOND,
            ),
            Figure(f"{name}: sent to the service", count / steps["send"].seconds, "rows/s"),
            Figure(f"{name}: exported", count / steps["export"].seconds, "rows/s"),
            *(
                Figure(
                    f"{name}: memory of the process that does it, {step}",
                    measured.peak_megabytes,
                    "MB",
                    target=_MEGABYTES,
                )
                for step, measured in steps.items()
            ),
        ]
    return figures


def _rows(count: int) -> Iterator[Sequence[str | int]]:
    industries = ("IT", "金融", "Retail", "教育", "Logistics")
    for number, company in enumerate(Customers().companies(count)):
        yield (
            f"A{number}",
            company.name,
            company.phone,
            company.email,
            f"{number % 900 + 1} Harbour Road, Springfield",
            industries[number % len(industries)],
            ("East", "West", "North")[number % 3],
            "ABC"[number % 3],
            number % 5000,
            f"20{number % 20 + 5:02d}-{number % 12 + 1:02d}-{number % 28 + 1:02d}",
        )


def _measure(step: str, task: dict[str, str]) -> _Measured:
    done = subprocess.run(
        [sys.executable, "-m", "bench.imports", step],
        input=json.dumps(task),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return _Measured(**json.loads(done.stdout))


def _step(step: str, task: dict[str, str]) -> _Measured:
    folder = Path(task["folder"]) / step
    folder.mkdir(exist_ok=True)
    signer = Signer(folder)
    with service_on(
        create_app,
        "customer",
        database_url=task["url"],
        broker_url="memory://",
        signer=signer,
    ) as app:
        service: Service = app.extensions["crm"]
        claims: dict[str, Any] = {"sub": _OWNER, "name": "Bench", "kind": "client"}
        token = signer.token("crm-customer", 86_400, **claims, grants={"*": "all"})
        caller = Caller(app, _OWNER, token)
        began = time.perf_counter()
        if step == "send":
            _send(caller, task)
        elif step == "apply":
            _apply(service)
        else:
            _export(caller, task)
        seconds = time.perf_counter() - began
    return _Measured(seconds, _peak_megabytes())


def _send(caller: Caller, task: dict[str, str]) -> None:
    mapping = {"resource": "accounts", "columns": {name: name for name in _HEADER}}
    job = caller.post("/v1/imports", json=mapping)
    with open(task["file"], "rb") as file:
        taken = caller.put(
            f"/v1/imports/{job.json['id']}/content",
            input_stream=file,
            content_type=task["format"],
        )
    if taken.status_code != 202:
        raise RuntimeError(f"the file was answered {taken.status_code}")


def _apply(service: Service) -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)  # as a worker does
    importers = DEFINITION.importers
    runner = ImportRunner("customer", service.database, importers)
    while runner.step():
        pass


def _export(caller: Caller, task: dict[str, str]) -> None:
    answer = caller.get("/v1/exports/accounts", headers={"Accept": task["format"]}, buffered=False)
    size = sum(len(block) for block in answer.iter_encoded())
    if answer.status_code != 200 or not size:
        raise RuntimeError(f"the export was answered {answer.status_code}, {size} bytes")


def _peak_megabytes() -> float:
    """The most memory this process has had, from Linux's own count."""
    status = Path("/proc/self/status")
    if not status.exists():
        return psutil.Process().memory_info().rss / 1e6
    (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    measured = _step(sys.argv[1], json.load(sys.stdin))
    print(json.dumps({"seconds": measured.seconds, "peak_megabytes": measured.peak_megabytes}))
