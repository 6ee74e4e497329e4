"""The way to and from the broker. Nothing outside this package names a transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from crm_contracts.asyncapi import EXCHANGE


class BrokerAway(Exception):
    """The broker cannot be reached, or the connection to it was lost; try again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded event on its way out.

    :ivar id: tells it from all that is under way: the event's id, unless it is replayed.
    :ivar routing_key: the event's type, or in a replay who sends it to whom.
    """

    id: str
    routing_key: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Delivery:
    """An encoded event on its way in, until it is acknowledged or rejected."""

    id: str
    body: bytes
    tag: Any


class Publisher(Protocol):
    """Used by one thread at a time. After BrokerAway it is closed and replaced."""

    @property
    def connected(self) -> bool:
        """False once the connection is lost."""

    def publish(self, messages: Sequence[Message]) -> set[str]:
        """Send all, and return the ids of those that the broker has taken charge of.

        :raises BrokerAway: when none could be sent.
        """

    def close(self) -> None: ...


class Subscription(Protocol):
    """One consumer of one service's queue. Used by one thread at a time.

    What it has delivered and not seen acknowledged is delivered again after it closes.
    After BrokerAway it is closed and replaced.
    """

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Wait up to ``timeout`` seconds for one, then take what is there, up to ``limit``.

        :raises BrokerAway: when the connection is lost, or the queue does not exist.
        """

    def acknowledge(self, deliveries: Sequence[Delivery]) -> None:
        """Be done with these, the oldest that were received and not acknowledged.

        :raises BrokerAway: when the connection is lost; they will be delivered again.
        """

    def keep_alive(self, seconds: float) -> None:
        """Hand out nothing for so long, and keep the connection.

        :raises BrokerAway: when it is lost.
        """

    def close(self) -> None: ...


class Broker(Protocol):
    """What a service knows of its broker."""

    def publisher(self, exchange: str = EXCHANGE) -> Publisher:
        """:param exchange: one of the topology's two that take events."""

    def subscription(self, prefetch: int) -> Subscription: ...

    def dead_letters(self, prefetch: int) -> Subscription:
        """A consumer of what this service's consumers died on again and again.

        :raises BrokerAway: when there is no such queue; the embedded broker has none.
        """
