"""The way to and from the broker. Nothing outside this package names a transport."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class BrokerAway(Exception):
    """The broker cannot be reached, or the connection to it was lost; try again later."""


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded event on its way out. The routing key is the event's type."""

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

    def close(self) -> None: ...


class Broker(Protocol):
    """What a service knows of its broker."""

    def publisher(self) -> Publisher: ...

    def subscription(self, prefetch: int) -> Subscription: ...
