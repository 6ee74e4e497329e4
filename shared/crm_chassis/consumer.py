"""Broker -> processor, in batches acknowledged after they are committed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import TypeVar

import structlog

from crm_chassis.broker import Broker, Delivery, Subscription
from crm_chassis.events import Event
from crm_chassis.processor import TRANSIENT, Processor

log = structlog.get_logger(__name__)
_WAIT_SECONDS = 0.5
_BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)
_BATCHES_AHEAD = 3
"""One that is written, one that is read, and one on its way."""


T = TypeVar("T")


def _pause_after(failures: int) -> float:
    return _BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)]


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A batch that is being written."""

    deliveries: Sequence[Delivery]
    events: Sequence[Event]
    written: Future[None]


class Consumer:
    """Takes the service's queue; any number of consumers, here and elsewhere, share it.

    While a batch is written to the database, the next one is received and read: of a full queue
    neither the processor nor the database waits for the other.
    """

    def __init__(self, broker: Broker, processor: Processor, batch: int) -> None:
        self._broker = broker
        self._processor = processor
        self._batch = batch
        self._subscription: Subscription | None = None
        self._under_way: _UnderWay | None = None

    @property
    def attached(self) -> bool:
        """True while the broker delivers to this consumer."""
        return self._subscription is not None

    def run(self, stop: threading.Event) -> None:
        """Consume until ``stop`` is set; a batch under way is finished first."""
        with ThreadPoolExecutor(1, "consumer-writer") as writer:
            try:
                self._consume(writer, stop)
            finally:  # else what an unforeseen fault left would be acknowledged with the next batch
                self._detach()

    def _consume(self, writer: ThreadPoolExecutor, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                subscription = self._attach()
                while not stop.is_set():
                    self._take(subscription, writer, stop)
                    failures = 0
                self._finish(subscription, stop)
            except TRANSIENT as error:
                log.warning("consumer.waiting", error=str(error))
                self._detach()
                stop.wait(_pause_after(failures))
                failures += 1

    def _attach(self) -> Subscription:
        self._subscription = self._broker.subscription(prefetch=_BATCHES_AHEAD * self._batch)
        return self._subscription

    def _take(
        self, subscription: Subscription, writer: ThreadPoolExecutor, stop: threading.Event
    ) -> None:
        deliveries = subscription.receive(self._batch, _WAIT_SECONDS)
        events = self._outlast(subscription, stop, lambda: self._processor.admit(deliveries))
        self._finish(subscription, stop)
        if deliveries:
            written = writer.submit(self._processor.handle, events)
            self._under_way = _UnderWay(deliveries, events, written)
        if len(deliveries) < self._batch:  # there is no next one to read meanwhile
            self._finish(subscription, stop)

    def _finish(self, subscription: Subscription, stop: threading.Event) -> None:
        """Acknowledge the batch under way when it is committed."""
        batch = self._under_way
        if batch is None:
            return
        try:
            batch.written.result()
        except TRANSIENT:
            self._outlast(subscription, stop, lambda: self._processor.handle(batch.events))
        self._under_way = None
        subscription.acknowledge(batch.deliveries)

    def _outlast(
        self, subscription: Subscription, stop: threading.Event, attempt: Callable[[], T]
    ) -> T:
        """Do what needs the database, however long that is away.

        What was delivered is held meanwhile: the broker counts how often it gets something back,
        and would take it for what consumers die on.
        """
        failures = 0
        while True:
            try:
                return attempt()
            except TRANSIENT as error:
                log.warning("consumer.waiting", error=str(error))
                if stop.is_set():
                    raise
                subscription.keep_alive(_pause_after(failures))
                failures += 1

    def _detach(self) -> None:
        """Leave the queue; what was taken and not acknowledged is delivered again."""
        if self._under_way is not None:
            wait([self._under_way.written])
            self._under_way = None
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
