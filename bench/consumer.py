"""How many events one reporting worker takes into inbox, facts and rollups in a second."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from kombu import Connection, Consumer, Message, Queue
from sqlalchemy import func, select

from bench.figures import Figure, Run, Target, Yardstick, median
from bench.history import Company
from bench.relay import publish
from bench.services import service_on
from crm_chassis import broker
from crm_chassis.broker.topology import queue_name
from crm_chassis.database import Database, utc_now
from crm_chassis.events import Event
from crm_chassis.inbox import inbox
from crm_chassis.service import Service
from crm_chassis.settings import Settings
from crm_chassis.testing_harness import Signer
from crm_local.processes import Process, free_port
from crm_reporting.app import create_app

_FLASK = Path(sys.executable).with_name("flask")
_QUEUE = queue_name("reporting")
_ROUNDS = 3
_LEADS_A_DAY = 220
"""About 2,000 events a day."""
_LOOK_SECONDS = 0.2


def run(run: Run) -> list[Figure]:
    """In turns: kombu alone, and a worker with the same events."""
    count = run.count(20_000, 5_000)
    host = run.servers.virtual_host()
    company = Company(_LEADS_A_DAY)
    taken, consumed = [], []
    with service_on(
        create_app,
        "reporting",
        database_url=run.servers.postgres.create_database("consumer"),
        broker_url=host.accounts["reporting"],
        signer=Signer(run.folder),
    ) as app:
        service: Service = app.extensions["crm"]
        worker = _worker(run, service.settings)
        for _ in range(_ROUNDS):
            events = company.events(count)
            _queue(host.admin_url, events)
            taken.append(count / _taken(host.accounts["reporting"], count))
            _queue(host.admin_url, events)
            consumed.append(count / _consumed(worker, service.database, count))
    return [
        Figure(
            "queue to inbox, facts and rollups",
            median(consumed),
            "events/s",
            Yardstick("kombu alone", median(taken)),
            Target("at least", 6_000),
        ),
    ]


def _worker(run: Run, settings: Settings) -> Process:
    port = free_port()
    return Process(
        name="reporting worker",
        command=[
            str(Path(sys.executable).with_name("flask")),
            "--app",
            "crm_reporting.app",
            "worker",
        ],
        environment={
            "PATH": os.environ["PATH"],
            "DATABASE_URL": settings.database_url,
            "BROKER_URL": settings.broker_url,
            "TOKEN_KEYS": settings.token_keys,
            "LOG_LEVEL": settings.log_level,
            "PROBE_BIND": f"127.0.0.1:{port}",
        },
        port=port,
        log=run.folder / "worker.log",
    )


def _queue(admin_url: str, events: Sequence[Event]) -> None:
    """Put events into reporting's queue, and into no other."""
    publish(admin_url, "", [broker.Message(event.id, _QUEUE, event.encode()) for event in events])


def _taken(url: str, count: int) -> float:
    """Seconds in which kombu takes ``count`` messages, acknowledging 500 at a time."""
    bodies = 0
    with Connection(url) as connection:
        channel = connection.channel()

        def take(message: Message) -> None:
            nonlocal bodies
            bodies += 1
            if bodies % 500 == 0:
                channel.basic_ack(message.delivery_tag, multiple=True)

        queue = Queue(_QUEUE, no_declare=True)
        started = time.perf_counter()
        with Consumer(channel, [queue], on_message=take, prefetch_count=1000, auto_declare=False):
            while bodies < count:
                connection.drain_events(timeout=10)
        return time.perf_counter() - started


def _consumed(worker: Process, database: Database, count: int) -> float:
    """Seconds in which a worker takes ``count`` events from the queue.

    From its first batch to its last, by the times in the inbox: its start is not counted.
    """
    began = utc_now()
    worker.start()
    try:
        while _received(database, began).number < count:
            time.sleep(_LOOK_SECONDS)
    finally:
        worker.stop()
    received = _received(database, began)
    seconds = (received.last - received.first).total_seconds()
    return seconds * count / received.before_last


class _Received(NamedTuple):
    """What came in, and how much of it before the last batch."""

    number: int
    first: datetime
    last: datetime
    before_last: int


def _received(database: Database, since: datetime) -> _Received:
    at = inbox.c.received_at
    own = select(at).where(at >= since).subquery()
    last = select(func.max(own.c.received_at)).scalar_subquery()
    with database.reading() as session:
        return _Received(
            *session.execute(
                select(
                    func.count(),
                    func.min(own.c.received_at),
                    func.max(own.c.received_at),
                    func.count().filter(own.c.received_at < last),
                ).select_from(own)
            ).one()
        )
