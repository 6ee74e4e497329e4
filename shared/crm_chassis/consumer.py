"""Broker -> processor, in batches acknowledged after they are committed."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from crm_chassis.broker import Broker, Delivery, Subscription
from crm_chassis.processor import TRANSIENT, Processor

log = structlog.get_logger(__name__)
_WAIT_SECONDS = 0.5
_BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


class Consumer:
    """Takes the service's queue; any number of consumers, here and elsewhere, share it.

    While one batch is processed the next one is read, so that neither waits for the other.
    """

    def __init__(self, broker: Broker, processor: Processor, batch: int) -> None:
        self._broker = broker
        self._processor = processor
        self._batch = batch
        self._subscription: Subscription | None = None

    @property
    def attached(self) -> bool:
        """True while the broker delivers to this consumer."""
        return self._subscription is not None

    def run(self, stop: threading.Event) -> None:
        """Consume until ``stop`` is set; a batch under way is finished first."""
        failures = 0
        while not stop.is_set():
            try:
                self._attached_until(stop)
                failures = 0
            except TRANSIENT as error:
                log.warning("consumer.waiting", error=str(error))
                stop.wait(_BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)])
                failures += 1

    def _attached_until(self, stop: threading.Event) -> None:
        """Consume with one subscription; what it has not acknowledged is delivered again."""
        self._subscription = self._broker.subscription(prefetch=3 * self._batch)
        try:
            with ThreadPoolExecutor(1, "consumer-batch") as hands:
                self._consume(self._subscription, hands, stop)
        finally:  # after any fault: what it left would be acknowledged with the next batch
            self._subscription.close()
            self._subscription = None

    def _consume(
        self, subscription: Subscription, hands: ThreadPoolExecutor, stop: threading.Event
    ) -> None:
        under_way: tuple[Future[None], Sequence[Delivery]] | None = None
        while under_way or not stop.is_set():
            deliveries: Sequence[Delivery] = ()
            if not stop.is_set():
                deliveries = subscription.receive(self._batch, 0 if under_way else _WAIT_SECONDS)
            if under_way:
                done, batch = under_way
                done.result()
                subscription.acknowledge(batch)
            under_way = None
            if deliveries:
                under_way = hands.submit(self._processor.process, deliveries), deliveries
