"""The broker within one process: kombu's memory transport, and a ledger of who has what.

Memory is lost on a kill, so publishing here means: every subscriber has acknowledged. Until then
the event stays in its outbox, and is dispatched again at the next start.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from queue import Empty
from time import monotonic
from typing import Any

from kombu import Connection, Exchange, Producer, Queue
from kombu.transport import memory
from kombu.transport.virtual import BrokerState

from crm_chassis.broker import BrokerAway, Delivery, Message, Publisher, Subscription
from crm_chassis.broker.kombu_subscription import KombuSubscription
from crm_chassis.broker.topology import (
    REPLAYS,
    queue_name,
    queues_of,
    replayed_to,
    replays_to,
    services,
)
from crm_contracts.asyncapi import CONTENT_TYPE, EXCHANGE
from crm_contracts.catalogue import Catalogue

_PATIENCE_SECONDS = 5.0


class _Channel(memory.Channel):  # type: ignore[misc]  # kombu is untyped
    def _put(self, queue: str, message: dict[str, Any], **kwargs: Any) -> None:
        super()._put(queue, message, **kwargs)
        with self.connection.arrived:
            self.connection.arrived.notify_all()


class _Transport(memory.Transport):  # type: ignore[misc]  # kombu is untyped
    """The memory transport, woken by what is put instead of polling for it."""

    arrived: threading.Condition

    def drain_events(self, connection: Any, timeout: float | None = None) -> Any:
        deadline = None if timeout is None else monotonic() + timeout
        with self.arrived:
            while True:
                try:
                    return self.cycle.get(self._deliver)
                except Empty:
                    left = None if deadline is None else deadline - monotonic()
                    if left is not None and left <= 0:
                        raise TimeoutError from None
                    self.arrived.wait(left)


def _own_transport() -> type[_Transport]:
    """A transport with queues of its own: kombu keeps them in the class, one set a process."""
    channel = type("Channel", (_Channel,), {"queues": {}})
    state = {"Channel": channel, "global_state": BrokerState(), "arrived": threading.Condition()}
    return type("Transport", (_Transport,), state)


class Exchanges:
    """All that runs in this process: the ledger of events under way, by queue."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._under_way: dict[str, set[str]] = {}
        self._changed = threading.Condition()
        self._events = Exchange(EXCHANGE, type="topic")
        self._replays = Exchange(REPLAYS, type="topic")
        self._transport = _own_transport()
        self._declare()

    def _declare(self) -> None:
        with self.connect() as connection:
            channel = connection.default_channel
            for service in services(self._catalogue):
                queue = queue_name(service)
                for contract in self._catalogue.consumed_by(service):
                    Queue(queue, self._events, routing_key=contract.type)(channel).declare()
                Queue(queue, self._replays, routing_key=replays_to(service))(channel).declare()

    def connect(self) -> Connection:
        return Connection(transport=self._transport)

    def dispatch(self, producer: Any, exchange: str, messages: Sequence[Message]) -> set[str]:
        """Send what is not under way already, and wait for every subscriber.

        :returns: ids of the messages that all subscribers have acknowledged.
        """
        fresh = self._enter(exchange, messages)
        for message in fresh:
            producer.publish(
                message.body,
                exchange=exchange,
                routing_key=message.routing_key,
                message_id=message.id,
                content_type=CONTENT_TYPE,
                content_encoding="binary",
            )
        ids = {message.id for message in messages}
        with self._changed:
            self._changed.wait_for(lambda: self._settled(ids), _PATIENCE_SECONDS)
            done = {id_ for id_ in ids if id_ in self._under_way and not self._under_way[id_]}
            for id_ in done:
                del self._under_way[id_]
        return done

    def _enter(self, exchange: str, messages: Sequence[Message]) -> list[Message]:
        with self._changed:
            fresh = [message for message in messages if message.id not in self._under_way]
            for message in fresh:
                self._under_way[message.id] = self._reached(exchange, message.routing_key)
        return fresh

    def _reached(self, exchange: str, routing_key: str) -> set[str]:
        if exchange == REPLAYS:
            return {queue_name(replayed_to(routing_key))}
        return set(queues_of(self._catalogue, routing_key))

    def _settled(self, ids: Iterable[str]) -> bool:
        """True when nothing of ``ids`` is still with a subscriber."""
        return not any(self._under_way.get(id_) for id_ in ids)

    def acknowledged(self, queue: str, ids: Iterable[str]) -> None:
        with self._changed:
            for id_ in ids:
                self._under_way.get(id_, set()).discard(queue)
            self._changed.notify_all()

    def lost(self, ids: Iterable[str]) -> None:
        """What a closed subscription had not acknowledged is no longer under way."""
        with self._changed:
            for id_ in ids:
                self._under_way.pop(id_, None)
            self._changed.notify_all()


class _Publisher:
    def __init__(self, exchanges: Exchanges, exchange: str) -> None:
        self._exchanges = exchanges
        self._exchange = exchange
        self._connection = exchanges.connect()
        self._producer = Producer(self._connection.channel(), auto_declare=False)

    @property
    def connected(self) -> bool:
        return True

    def publish(self, messages: Sequence[Message]) -> set[str]:
        return self._exchanges.dispatch(self._producer, self._exchange, messages)

    def close(self) -> None:
        self._connection.release()


class _Subscription:
    def __init__(self, exchanges: Exchanges, queue: str, prefetch: int) -> None:
        self._exchanges = exchanges
        self._queue = queue
        self._inner = KombuSubscription(exchanges.connect(), queue, prefetch)
        self._unsettled: set[str] = set()

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        deliveries = self._inner.receive(limit, timeout)
        self._unsettled.update(delivery.id for delivery in deliveries)
        return deliveries

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        self._inner.acknowledge(deliveries)
        ids = [delivery.id for delivery in deliveries]
        self._unsettled.difference_update(ids)
        self._exchanges.acknowledged(self._queue, ids)

    def keep_alive(self, seconds: float) -> None:
        self._inner.keep_alive(seconds)

    def close(self) -> None:
        self._unsettled.update(self._inner.undelivered())
        self._inner.close()
        self._exchanges.lost(self._unsettled)


class EmbeddedBroker:
    """A service's view of the exchanges in this process."""

    def __init__(self, service: str, exchanges: Exchanges) -> None:
        self._service = service
        self._exchanges = exchanges

    def publisher(self, exchange: str = EXCHANGE) -> Publisher:
        return _Publisher(self._exchanges, exchange)

    def subscription(self, prefetch: int) -> Subscription:
        return _Subscription(self._exchanges, queue_name(self._service), prefetch)

    def dead_letters(self, prefetch: int) -> Subscription:
        raise BrokerAway("the embedded broker gives nothing up")
