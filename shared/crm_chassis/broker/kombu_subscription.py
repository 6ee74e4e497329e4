"""A consumer of one queue through kombu, on RabbitMQ or in memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from kombu import Connection, Consumer, Message, Queue

from crm_chassis.broker import BrokerAway, Delivery

HEARTBEAT_SECONDS = 20
"""A handler that takes more than two of these loses its connection, and its batch comes again."""

_SLICE_SECONDS = 1.0  # py-amqp starts its time-out anew with every frame, heartbeats included


class KombuSubscription:
    """One queue on one connection; any error of the transport ends it."""

    def __init__(self, connection: Connection, queue: str, prefetch: int) -> None:
        self._connection = connection
        self._faults = (*connection.connection_errors, *connection.channel_errors)
        self._received: deque[Message] = deque()
        try:
            connection.connect()
            self._multiple = connection.transport.driver_type == "amqp"
            self._channel: Any = connection.channel()
            Consumer(
                self._channel,
                [Queue(queue, no_declare=True)],
                on_message=self._received.append,
                prefetch_count=prefetch,
                auto_declare=False,
            ).consume()
        except self._faults as error:
            self.close()
            raise BrokerAway(f"cannot consume {queue}: {error}") from error

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        try:
            self._drain(limit, timeout)
        except self._faults as error:
            raise BrokerAway(f"connection lost: {error}") from error
        batch = [self._received.popleft() for _ in range(min(limit, len(self._received)))]
        return [_delivery(message) for message in batch]

    def _drain(self, limit: int, timeout: float) -> None:
        deadline = monotonic() + timeout
        wait = min(timeout, _SLICE_SECONDS)
        while len(self._received) < limit:
            try:
                self._connection.drain_events(timeout=0 if self._received else wait)
            except TimeoutError:
                wait = min(deadline - monotonic(), _SLICE_SECONDS)
                if self._received or wait <= 0:
                    break
        # Only after reading: heartbeats that wait in the socket would count as missed.
        self._connection.heartbeat_check()

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        settled = deliveries[-1:] if self._multiple else deliveries
        try:
            for delivery in settled:
                self._channel.basic_ack(delivery.tag, multiple=self._multiple)
        except self._faults as error:
            raise BrokerAway(f"connection lost: {error}") from error

    def keep_alive(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        try:
            while (left := deadline - monotonic()) > 0:
                with suppress(TimeoutError):
                    self._connection.drain_events(timeout=min(left, _SLICE_SECONDS))
                self._connection.heartbeat_check()
        except self._faults as error:
            raise BrokerAway(f"connection lost: {error}") from error

    def undelivered(self) -> list[str]:
        """Ids of what the transport has pushed and :meth:`receive` has not handed out."""
        return [_delivery(message).id for message in self._received]

    def close(self) -> None:
        with suppress(
            *self._faults
        ):  # closing a lost connection may fail, and is done all the same
            self._connection.release()


def _delivery(message: Message) -> Delivery:
    body = message.body.encode() if isinstance(message.body, str) else bytes(message.body)
    return Delivery(
        id=str(message.properties.get("message_id", "")), body=body, tag=message.delivery_tag
    )
