"""How many events one reporting worker takes into inbox, facts and rollups in a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from kombu import Connection, Consumer, Message, Queue

from bench.figures import Figure, Run, Target, Yardstick, median
from bench.history import Company
from bench.relay import publish
from bench.services import service_on
from crm_chassis import broker
from crm_chassis.broker.topology import queue_name
from crm_chassis.events import Event
from crm_chassis.service import Service
from crm_chassis.testing_harness import Signer
from crm_reporting.app import create_app

_QUEUE = queue_name("reporting")
_ROUNDS = 3
_LEADS_A_DAY = 220
"""About 2,000 events a day."""
_LOOK_SECONDS = 0.002
_TARGET = Target("at least", 6_000)


def run(run: Run) -> list[Figure]:
    """In turns: kombu alone, the worker's consumer on RabbitMQ, its processor by itself."""
    count = run.count(20_000, 5_000)
    host = run.servers.virtual_host()
    company = Company(_LEADS_A_DAY)
    taken, consumed, processed = [], [], []
    with service_on(
        create_app,
        "reporting",
        database_url=run.servers.postgres.create_database("consumer"),
        broker_url=host.accounts["reporting"],
        signer=Signer(run.folder),
    ) as app:
        service: Service = app.extensions["crm"]
        for _ in range(_ROUNDS):
            events = company.events(count)
            _queue(host.admin_url, events)
            taken.append(count / _taken(host.accounts["reporting"], count))
            _queue(host.admin_url, events)
            consumed.append(count / _consumed(service, count))
            processed.append(count / _processed(service, company.events(count)))
    return [
        Figure(
            "queue to inbox, facts and rollups",
            median(consumed),
            "events/s",
            Yardstick("kombu alone", median(taken)),
            _TARGET,
        ),
        Figure("the same without the broker", median(processed), "events/s", target=_TARGET),
    ]


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


def _consumed(service: Service, count: int) -> float:
    """Seconds in which the service's consumer takes ``count`` events from the queue."""
    goal = _applied(service) + count
    stop = threading.Event()
    thread = threading.Thread(target=service.consumer.run, args=(stop,))
    started = time.perf_counter()
    thread.start()
    while _applied(service) < goal:
        time.sleep(_LOOK_SECONDS)
    seconds = time.perf_counter() - started
    stop.set()
    thread.join()
    return seconds


def _processed(service: Service, events: Sequence[Event]) -> float:
    """Seconds in which the processor takes the same in batches of the same size."""
    deliveries = [broker.Delivery(event.id, event.encode(), None) for event in events]
    size = service.settings.consumer_batch
    started = time.perf_counter()
    for first in range(0, len(deliveries), size):
        service.processor.process(deliveries[first : first + size])
    return time.perf_counter() - started


def _applied(service: Service) -> float:
    labels = {"outcome": "applied"}
    return service.registry.get_sample_value("crm_consumer_events_total", labels) or 0.0
