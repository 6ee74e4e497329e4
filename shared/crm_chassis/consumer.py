"""Broker -> processor, in batches acknowledged after they are committed."""

from __future__ import annotations

import threading

import structlog

from crm_chassis.broker import Broker, Subscription
from crm_chassis.processor import TRANSIENT, Processor

log = structlog.get_logger(__name__)
_WAIT_SECONDS = 0.5
_BACK_OFF_SECONDS = (0.1, 0.5, 1.0, 2.0, 5.0)


class Consumer:
    """Takes the service's queue; any number of consumers, here and elsewhere, share it."""

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
        try:
            self._consume(stop)
        finally:  # else what an unforeseen fault left would be acknowledged with the next batch
            self._detach()

    def _consume(self, stop: threading.Event) -> None:
        failures = 0
        while not stop.is_set():
            try:
                self._take()
                failures = 0
            except TRANSIENT as error:
                log.warning("consumer.waiting", error=str(error))
                self._detach()
                stop.wait(_BACK_OFF_SECONDS[min(failures, len(_BACK_OFF_SECONDS) - 1)])
                failures += 1

    def _take(self) -> None:
        if self._subscription is None:
            self._subscription = self._broker.subscription(prefetch=2 * self._batch)
        deliveries = self._subscription.receive(self._batch, _WAIT_SECONDS)
        if deliveries:
            self._processor.process(deliveries)
            self._subscription.acknowledge(deliveries)

    def _detach(self) -> None:
        """Leave the queue; what was taken and not acknowledged is delivered again."""
        if self._subscription is not None:
            self._subscription.close()
            self._subscription = None
