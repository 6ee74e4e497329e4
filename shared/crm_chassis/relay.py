"""Outbox -> broker. One active relay a service; any number may stand by."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from zlib import crc32

import psycopg
import structlog
from prometheus_client import CollectorRegistry, Counter
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

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
        self._lock_key = crc32(f"crm-relay-{service}".encode())
        self._publisher: Publisher | None = None
        self._sent = Counter(
            "crm_relay_events", "Events confirmed by the broker", registry=registry
        )
        self._standing_by = False

    @property
    def ready(self) -> bool:
        """True while it can publish, or stands by for the relay that does."""
        publisher = self._publisher
        return self._standing_by or (publisher is not None and publisher.connected)

    def run(self, stop: threading.Event) -> None:
        """Relay until ``stop`` is set. Faults of database and broker are waited out."""
        while not stop.is_set():
            try:
                with self._sole_relay() as connection:
                    self._standing_by = connection is None
                    if connection is None:
                        stop.wait(_POLL_SECONDS)
                        continue
                    self._drain_until(stop, connection)
            except (BrokerAway, DBAPIError, psycopg.Error, OSError) as error:
                log.warning("relay.waiting", error=str(error))
                self._standing_by = False
                self._disconnect()
                stop.wait(_BACK_OFF_SECONDS)
        self._disconnect()

    @contextmanager
    def _sole_relay(self) -> Iterator[Connection | None]:
        """A connection that holds the relay's lock, or None while another relay holds it."""
        with self._database.engine.connect() as connection:
            if self._database.is_sqlite:
                yield connection
                return
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            lock = {"key": self._lock_key}
            if not connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), lock):
                yield None
                return
            try:
                yield connection
            finally:
                if not connection.invalidated:
                    connection.execute(text("SELECT pg_advisory_unlock(:key)"), lock)

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
        with self._database.engine.execution_options(reading=True).connect() as connection:
            batch = outbox.queued(connection, self._batch)
        if not batch:
            return 0
        with self._telemetry.publishing(batch):
            done = publisher.publish([Message(row.event_id, row.type, row.body) for row in batch])
        if done:
            with self._database.engine.begin() as connection:
                outbox.confirmed(connection, done)
            self._sent.inc(len(done))
        if len(done) < len(batch):
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
