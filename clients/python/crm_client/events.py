"""The platform's events over AMQP: ``for event in subscribe(url, queue): ...``."""

from __future__ import annotations

import functools
import json
import logging
import queue
import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pika
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import (
    AMQPError,
    ChannelClosedByBroker,
    ConnectionWrongStateError,
    ConsumerCancelled,
    ProbableAccessDeniedError,
    ProbableAuthenticationError,
)

log = logging.getLogger(__name__)

LONGEST_BACK_OFF_SECONDS = 30.0
_TURN_SECONDS = 0.5
_REQUIRED = ("specversion", "id", "type", "source", "subject", "time", "sequence", "data")
# AMQP's "not found", "access refused" and "precondition failed": trying again cannot help.
_FINAL_REPLIES = frozenset({403, 404, 406})


class SubscriptionError(Exception):
    """The broker refuses the subscription: wrong credentials, no right, or no such queue."""


class MalformedEventError(ValueError):
    """The bytes are no CloudEvent of the platform; the text says what is missing or wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEvent:
    """Something that happened to one record (CloudEvents 1.0).

    :ivar id: the same for every delivery of the event: remember it to skip what comes twice.
    :ivar type: what happened, ``crm.sales.opportunity.won.v1``.
    :ivar subject: id of the record.
    :ivar sequence: version of the record after the change; larger is newer, whatever comes first.
    :ivar time: when it happened, UTC.
    :ivar data: public state of the record after the change; ``change`` has the change's own facts.
    :ivar actor: who caused it.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    sequence: int
    data: dict[str, Any]
    actor: str | None = None
    correlationid: str | None = None
    causationid: str | None = None
    traceparent: str | None = None


def decode(body: bytes | str) -> CloudEvent:
    """Read an event from its structured JSON form, as it is in queues and webhooks.

    :raises MalformedEventError: not JSON, or an attribute is missing or wrong.
    """
    try:
        raw = json.loads(body)
    except ValueError as error:
        raise MalformedEventError(f"not JSON: {error}") from None
    if not isinstance(raw, dict):
        raise MalformedEventError("not a JSON object")
    if missing := [name for name in _REQUIRED if name not in raw]:
        raise MalformedEventError(f"without {', '.join(missing)}")
    try:
        return CloudEvent(
            id=raw["id"],
            type=raw["type"],
            source=raw["source"],
            subject=raw["subject"],
            time=datetime.fromisoformat(raw["time"]),
            sequence=int(raw["sequence"]),
            data=raw["data"],
            actor=raw.get("actor"),
            correlationid=raw.get("correlationid"),
            causationid=raw.get("causationid"),
            traceparent=raw.get("traceparent"),
        )
    except (TypeError, ValueError) as error:
        raise MalformedEventError(str(error)) from None


def subscribe(
    amqp_url: str, queue_name: str, *, prefetch: int = 50, heartbeat: int = 30
) -> Iterator[CloudEvent]:
    """Yield the events of a queue, for ever.

    An event is acknowledged when the body of the loop has ended and the next one is asked for. One
    whose body raised, or left the loop, is delivered again later; so is one that was being worked
    on when the connection broke. Bodies must therefore bear duplicates (see ``CloudEvent.id``), and
    any order (see ``CloudEvent.sequence``).

    The connection lives in a thread of its own, so a body may take longer than the heartbeat. When
    it breaks, it is made again, after waits that grow to 30 s. A message that is no CloudEvent is
    rejected (it goes to the queue's dead-letter exchange, if it has one) and logged.

    :param amqp_url: ``amqps://user:password@host/vhost``.
    :param queue_name: a queue that exists; the subscriber needs the right to read it, no more.
    :param prefetch: the most events held here at a time.
    :param heartbeat: seconds after which a silent connection counts as broken.
    :raises SubscriptionError: the broker refuses the subscription for good.
    """
    parameters = pika.URLParameters(amqp_url)
    parameters.heartbeat = heartbeat
    parameters.blocked_connection_timeout = 2 * heartbeat
    subscription = _Subscription(parameters, queue_name, prefetch)
    subscription.start()
    try:
        while True:
            delivery = subscription.next()
            try:
                event = decode(delivery.body)
            except MalformedEventError as error:
                log.error("message of %s rejected: %s", queue_name, error)
                delivery.settle(BlockingChannel.basic_reject, requeue=False)
                continue
            yield event
            delivery.settle(BlockingChannel.basic_ack)
    finally:
        subscription.stop()


@dataclass(frozen=True, slots=True)
class _Delivery:
    connection: pika.BlockingConnection
    channel: BlockingChannel
    tag: int
    body: bytes

    def settle(self, how: Any, **options: Any) -> None:
        """Answer the broker, from any thread; without effect when the connection has broken,
        since the broker then delivers the event again."""
        try:
            self.connection.add_callback_threadsafe(
                functools.partial(how, self.channel, self.tag, **options)
            )
        except ConnectionWrongStateError:
            log.info("connection lost before delivery %s was settled", self.tag)


class _Subscription(threading.Thread):
    """Owns the connection: keeps it alive, and hands deliveries to the thread that works."""

    def __init__(self, parameters: pika.URLParameters, queue_name: str, prefetch: int) -> None:
        super().__init__(name=f"subscription {queue_name}", daemon=True)
        self._parameters = parameters
        self._queue_name = queue_name
        self._prefetch = prefetch
        self._arrived: queue.SimpleQueue[_Delivery | Exception] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._failures = 0

    def next(self) -> _Delivery:
        arrived = self._arrived.get()
        if isinstance(arrived, Exception):
            raise arrived
        return arrived

    def stop(self) -> None:
        """Send the acknowledgements that wait, and close the connection."""
        self._stopping.set()
        self.join()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self._consume()
            except (AMQPError, OSError) as error:
                if _is_final(error):
                    refusal = SubscriptionError(f"cannot read {self._queue_name}: {error!r}")
                    self._arrived.put(refusal)
                    return
                self._drop_arrived()
                self._stopping.wait(self._back_off(error))
            except Exception as error:  # the thread that works must hear of it
                self._arrived.put(error)
                return

    def _consume(self) -> None:
        connection = pika.BlockingConnection(self._parameters)
        try:
            channel = connection.channel()
            channel.basic_qos(prefetch_count=self._prefetch)
            channel.add_on_cancel_callback(_cancelled)
            channel.basic_consume(self._queue_name, functools.partial(self._on_message, connection))
            self._failures = 0
            while not self._stopping.is_set():
                connection.process_data_events(time_limit=_TURN_SECONDS)
            connection.process_data_events(time_limit=0)
        finally:
            if connection.is_open:
                connection.close()

    def _on_message(
        self,
        connection: pika.BlockingConnection,
        channel: BlockingChannel,
        method: pika.spec.Basic.Deliver,
        _properties: pika.BasicProperties,
        body: bytes,
    ) -> None:
        self._arrived.put(_Delivery(connection, channel, method.delivery_tag, body))

    def _drop_arrived(self) -> None:
        """Forget what came over a broken connection: the broker delivers it again."""
        while not self._arrived.empty():
            self._arrived.get_nowait()

    def _back_off(self, error: Exception) -> float:
        self._failures += 1
        seconds = min(2.0 ** (self._failures - 1), LONGEST_BACK_OFF_SECONDS)
        seconds *= random.uniform(0.5, 1.0)  # noqa: S311 - spreads reconnects
        log.warning("connection to the broker lost (%r), next try in %.1f s", error, seconds)
        return seconds


def _cancelled(method: Any) -> None:
    raise ConsumerCancelled


def _is_final(error: Exception) -> bool:
    if isinstance(error, ChannelClosedByBroker):
        return error.reply_code in _FINAL_REPLIES
    return isinstance(error, (ProbableAuthenticationError, ProbableAccessDeniedError))
