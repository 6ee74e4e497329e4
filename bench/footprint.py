"""What the platform takes: room in its databases for each event, memory for each process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import psutil
from flask import Flask
from sqlalchemy import text

from bench.figures import Figure, Run
from bench.history import Company
from bench.relay import fill
from bench.services import service_on
from crm_chassis.broker import Delivery
from crm_chassis.database import new_id
from crm_chassis.events import Event
from crm_chassis.inbox import claim
from crm_chassis.service import Service
from crm_chassis.testing_harness import Signer
from crm_client.client import Client
from crm_local.processes import ProcessPlatform
from crm_local.testing import process_platform
from crm_marketing.app import create_app as create_marketing
from crm_reporting.app import create_app as create_reporting

_MILLION = 1_000_000
_BATCH = 2000
_LEADS_A_DAY = 220
_CLIENTS = 4
_LOOK_SECONDS = 0.5

_Store = Callable[[Service, Sequence[Event]], None]


def run(run: Run) -> list[Figure]:
    """Sizes after some events, per million of them; memory at rest, and at most under load."""
    events = Company(_LEADS_A_DAY).events(run.count(100_000, 5_000))
    return [*_growth(run, events), *_memory(run)]


def _growth(run: Run, events: Sequence[Event]) -> list[Figure]:
    kept = _size(run, "marketing", create_marketing, _record, events)
    seen = _size(run, "marketing", create_marketing, _claim, events)
    archived = _size(run, "reporting", create_reporting, _consume, events)
    projections = {name: size for name, size in archived.items() if name != "inbox"}
    sizes = {
        "event log of who publishes them": _log(kept),
        "inbox of who consumes them": seen["inbox"],
        "inbox of reporting, with the bodies": archived["inbox"],
        "projections of reporting": _sum(projections.values()),
    }
    return [
        Figure(f"{name}, {part}", size * _MILLION / len(events) / 1e6, "MB/1,000,000 events")
        for name, both in sizes.items()
        for part, size in zip(("tables", "indexes"), both, strict=True)
    ]


def _size(
    run: Run,
    name: str,
    create_app: Callable[..., Flask],
    store: _Store,
    events: Sequence[Event],
) -> Mapping[str, tuple[int, int]]:
    """Table to the bytes by which it and its indexes grew."""
    with service_on(
        create_app,
        name,
        database_url=run.servers.postgres.create_database("footprint"),
        broker_url=run.servers.virtual_host().accounts[name],
        signer=Signer(run.folder),
    ) as app:
        service: Service = app.extensions["crm"]
        before = _sizes(service)
        store(service, events)
        return {
            table: (size - before[table][0], indexes - before[table][1])
            for table, (size, indexes) in _sizes(service).items()
        }


def _sizes(service: Service) -> dict[str, tuple[int, int]]:
    """Table to the bytes of it and of its indexes; a large value's own storage is the table's."""
    with service.database.engine.connect() as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT").execute(text("VACUUM ANALYZE"))
        rows = connection.execute(
            text(
                "SELECT relname, pg_table_size(oid), pg_indexes_size(oid) FROM pg_class"
                " WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
            )
        )
        return {name: (size, indexes) for name, size, indexes in rows}


def _record(service: Service, events: Sequence[Event]) -> None:
    fill(service.database, events)


def _claim(service: Service, events: Sequence[Event]) -> None:
    for start in range(0, len(events), _BATCH):
        with service.database.transaction() as session:
            claim(session, events[start : start + _BATCH], archive=False)


def _consume(service: Service, events: Sequence[Event]) -> None:
    for start in range(0, len(events), _BATCH):
        batch = events[start : start + _BATCH]
        deliveries = [Delivery(event.id, event.encode(), None) for event in batch]
        service.processor.handle(service.processor.admit(deliveries))


def _log(sizes: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """All partitions of the event log."""
    return _sum(size for name, size in sizes.items() if name.startswith("event_log"))


def _sum(sizes: Iterable[tuple[int, int]]) -> tuple[int, int]:
    tables, indexes = zip(*sizes, strict=True)
    return sum(tables), sum(indexes)


def _memory(run: Run) -> list[Figure]:
    with process_platform(run.folder, run.servers.postgres, run.servers.rabbitmq) as platform:
        time.sleep(2)
        rest = _resident(platform.inside)
        most = dict(rest)
        with ThreadPoolExecutor(_CLIENTS) as clients:
            work = [
                clients.submit(_ask, platform.client(), run.count(1500, 50))
                for _ in range(_CLIENTS)
            ]
            while not all(each.done() for each in work):
                now = _resident(platform.inside)
                most = {name: max(size, now[name]) for name, size in most.items()}
                time.sleep(_LOOK_SECONDS)
            for each in work:
                each.result()
    return [
        Figure(f"{name}, {when}", found[name] / 1e6, "MB")
        for name in rest
        for when, found in (("at rest", rest), ("under load", most))
    ]


def _resident(platform: ProcessPlatform) -> dict[str, int]:
    """Process to the memory that it and its children have, what they share counted once."""
    roots = {f"{name} api": api.pid for name, api in platform.apis.items()}
    roots |= {f"{name} worker": each.pid for name, (each,) in platform.workers.items()}
    return {name: _proportional(psutil.Process(pid)) for name, pid in sorted(roots.items())}


def _proportional(process: psutil.Process) -> int:
    family = (process, *process.children(recursive=True))
    return sum(each.memory_full_info().pss for each in family)


def _ask(client: Client, times: int) -> None:
    """What keeps every service busy: writes in two of them, lists, searches and KPIs."""
    for number in range(times):
        account = client.create("accounts", {"name": new_id(), "kind": "business"})
        deal = {"name": "GTX Pro", "amount": "48.00", "currency": "USD"}
        client.create("opportunities", deal | {"account_id": None})
        client.create("tickets", {"subject": f"E-{number}", "type": "question"})
        client.get(f"/api/customer/v1/accounts/{account['id']}/overview")
        client.get("/api/customer/v1/search", {"q": "北风"})
        client.get("/api/reporting/v1/kpis/pipeline")
        client.get("/api/marketing/v1/campaigns")
