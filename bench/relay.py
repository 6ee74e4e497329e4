"""How fast the relay drains an outbox into RabbitMQ, beside pika publishing the same bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pika
from kombu import Connection
from pika.adapters.select_connection import SelectConnection
from sqlalchemy import insert

from bench.figures import Figure, Run, Target, Yardstick, median
from bench.history import Company
from bench.services import service_on
from crm_chassis.broker import Message
from crm_chassis.broker.topology import queue_name
from crm_chassis.database import Database, utc_now
from crm_chassis.events import Event
from crm_chassis.outbox import enqueue, event_log
from crm_chassis.service import Service
from crm_chassis.testing_harness import Signer
from crm_contracts.asyncapi import CONTENT_TYPE, EXCHANGE
from crm_sales.app import create_app

_WINDOW = 1000
_ROUNDS = 5
_LOOK_SECONDS = 0.002


def run(run: Run) -> list[Figure]:
    """Relay and pika in turns, each time the same events, into an empty queue."""
    broker = run.servers.virtual_host()
    events = _events(run.count(10_000, 2_000))
    messages = [Message(event.id, event.type, event.encode()) for event in events]
    relayed, published = [], []
    with service_on(
        create_app,
        "sales",
        database_url=run.servers.postgres.create_database("relay"),
        broker_url=broker.accounts["sales"],
        signer=Signer(run.folder),
    ) as app:
        service: Service = app.extensions["crm"]
        with relaying(service):
            for _ in range(_ROUNDS):
                fill(service.database, events)
                relayed.append(len(events) / seconds_to_drain(service, len(events)))
                _empty(broker.admin_url)
                published.append(
                    len(events) / publish(broker.accounts["sales"], EXCHANGE, messages)
                )
                _empty(broker.admin_url)
    return [
        Figure(
            "outbox drained, every event confirmed",
            median(relayed),
            "events/s",
            Yardstick("pika alone", median(published)),
            Target("at least", 0.6, "ratio"),
        )
    ]


def _events(count: int) -> list[Event]:
    """Events of deals, which reach one queue."""
    company = Company(leads_a_day=100)
    found: list[Event] = []
    while len(found) < count:
        found += [each for each in company.events(count) if ".opportunity." in each.type]
    return found[:count]


def fill(database: Database, events: Sequence[Event]) -> None:
    """Put events into log and outbox as if they had just been recorded; all of them at once."""
    now = utc_now()
    with database.transaction() as session:
        session.execute(event_log.delete())
        session.execute(
            insert(event_log),
            [
                {
                    "event_id": event.id,
                    "recorded_at": now,
                    "type": event.type,
                    "subject": event.subject,
                    "sequence": event.sequence,
                    "body": event.encode(),
                }
                for event in events
            ],
        )
        enqueue(session, [(event.id, now) for event in events])


@contextmanager
def relaying(service: Service) -> Iterator[None]:
    """The service's relay at work, as in its worker."""
    stop = threading.Event()
    thread = threading.Thread(target=service.relay.run, args=(stop,))
    thread.start()
    try:
        while not service.relay.ready:
            time.sleep(_LOOK_SECONDS)
        yield
    finally:
        stop.set()
        thread.join()


def seconds_to_drain(service: Service, count: int) -> float:
    """Ring for the relay, and wait until ``count`` more events are out of the queue."""
    started = time.perf_counter()
    goal = _sent(service) + count
    service.doorbell.ring()
    while _sent(service) < goal:
        time.sleep(_LOOK_SECONDS)
    return time.perf_counter() - started


def _sent(service: Service) -> float:
    return service.registry.get_sample_value("crm_relay_events_total") or 0.0


def _empty(admin_url: str) -> None:
    with Connection(admin_url) as connection:
        connection.default_channel.queue_purge(queue_name("reporting"))


def publish(url: str, exchange: str, messages: Sequence[Message]) -> float:
    """Seconds in which pika publishes the messages with pipelined confirms, and nothing else."""
    return _Publisher(url, exchange, messages).seconds()


class _Publisher:
    def __init__(self, url: str, exchange: str, messages: Sequence[Message]) -> None:
        self._exchange = exchange
        self._messages = messages
        self._sent = 0
        self._oldest = 1
        self._unconfirmed: set[int] = set()
        self._started = self._ended = 0.0
        self._channel: Any = None
        self._connection = SelectConnection(
            pika.URLParameters(url),
            on_open_callback=lambda opened: opened.channel(on_open_callback=self._on_channel),
            on_close_callback=lambda connection, _reason: connection.ioloop.stop(),
        )

    def seconds(self) -> float:
        self._connection.ioloop.start()
        if not self._ended:
            raise RuntimeError("the broker hung up")
        return self._ended - self._started

    def _on_channel(self, channel: Any) -> None:
        self._channel = channel
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._begin())

    def _begin(self) -> None:
        self._started = time.perf_counter()
        self._send()

    def _send(self) -> None:
        while self._sent < len(self._messages) and len(self._unconfirmed) < _WINDOW:
            message = self._messages[self._sent]
            self._sent += 1
            self._unconfirmed.add(self._sent)
            properties = pika.BasicProperties(
                content_type=CONTENT_TYPE, delivery_mode=2, message_id=message.id
            )
            self._channel.basic_publish(
                self._exchange, message.routing_key, message.body, properties
            )

    def _on_confirm(self, frame: Any) -> None:
        answer = frame.method
        if isinstance(answer, pika.spec.Basic.Nack):
            raise RuntimeError("the broker refused a message")
        if answer.multiple:
            self._unconfirmed.difference_update(range(self._oldest, answer.delivery_tag))
            self._oldest = answer.delivery_tag
        self._unconfirmed.discard(answer.delivery_tag)
        self._send()
        if not self._unconfirmed:
            self._ended = time.perf_counter()
            self._connection.close()
