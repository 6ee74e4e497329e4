"""Outbox -> broker. One active relay a service; any number may stand by."""

from __future__ import annotations

import threading
import time

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from sqlalchemy import Connection, text
from sqlalchemy.exc import SQLAlchemyError

from crm_chassis import outbox
from crm_chassis.broker import Broker, BrokerAway, Message, Publisher
from crm_chassis.database import Database
from crm_chassis.doorbell import Doorbell
from crm_chassis.telemetry import Telemetry

log = structlog.get_logger(__name__)
_POLL_SECONDS = 1.0
_BACK_OFF_SECONDS = 1.0


class Relay:
    """Drains the outbox in the order of recording.

    It reads the rows that are there, not those after the last one seen: a transaction that
    commits late leaves a row behind rows that were drained before it.
    """

    def __init__(
        self,
        service: str,
        database: Database,
        broker: Broker,
        doorbell: Doorbell,
        telemetry: Telemetry,
        registry: CollectorRegistry,
        batch: int,
    ) -> None:
        self._database = database
        self._broker = broker
        self._doorbell = doorbell
        self._telemetry = telemetry
        self._batch = batch
        self._lock = f"crm-relay-{service}"
        self._publisher: Publisher | None = None
        self._sent = Counter(
            "crm_relay_events", "Events confirmed by the broker", registry=registry
        )
        self._unconfirmed = Counter(
            "crm_relay_unconfirmed_events", "Events sent and not confirmed", registry=registry
        )
        self._seconds = Histogram(
            "crm_relay_batch_seconds", "From reading a batch to forgetting it", registry=registry
        )
        self._standing_by = False
        active = Gauge("crm_relay_active", "1 where events are relayed", registry=registry)
        active.set_function(lambda: self.ready and not self._standing_by)

    @property
    def ready(self) -> bool:
        """True while it can publish, or stands by for the relay that does."""
        publisher = self._publisher
        return self._standing_by or (publisher is not None and publisher.connected)

    def run(self, stop: threading.Event) -> None:
        """Relay until ``stop`` is set. Faults of database and broker are waited out."""
        while not stop.is_set():
            try:
                with self._database.sole_holder(self._lock) as connection:
                    self._standing_by = connection is None
                    if connection is None:
                        stop.wait(_POLL_SECONDS)
                        continue
                    self._drain_until(stop, connection)
            except (BrokerAway, SQLAlchemyError, psycopg.Error, OSError) as error:
                log.warning("relay.waiting", error=str(error))
                self._standing_by = False
                self._disconnect()
                stop.wait(_BACK_OFF_SECONDS)
        self._disconnect()

    def _drain_until(self, stop: threading.Event, lock_holder: Connection) -> None:
        while not stop.is_set():
            if not self._connect().connected:
                raise BrokerAway("the connection was lost")
            if not self.drain():
                self._doorbell.wait(_POLL_SECONDS)
                if not self._database.is_sqlite:
                    lock_holder.execute(text("SELECT 1"))  # fails when the lock was lost

    def drain(self) -> int:
        """Publish one batch and take what was confirmed out of the queue.

        :returns: how many events were confirmed.
        """
        publisher = self._connect()
        started = time.perf_counter()
        with self._database.engine.execution_options(reading=True).connect() as connection:
            batch = outbox.queued(connection, self._batch)
        if not batch:
            return 0
        with self._telemetry.publishing(batch):
            done = publisher.publish([Message(row.event_id, row.type, row.body) for row in batch])
        if done:
            with self._database.engine.begin() as connection:
                ids = [row.event_id for row in batch if row.event_id in done]
                outbox.confirmed(connection, ids)
            self._sent.inc(len(done))
            self._seconds.observe(time.perf_counter() - started)
        if len(done) < len(batch):
            self._unconfirmed.inc(len(batch) - len(done))
            log.warning("relay.unconfirmed", count=len(batch) - len(done))
        return len(done)

    def _connect(self) -> Publisher:
        if self._publisher is None:
            self._publisher = self._broker.publisher()
        return self._publisher

    def _disconnect(self) -> None:
        if self._publisher is not None:
            self._publisher.close()
            self._publisher = None
