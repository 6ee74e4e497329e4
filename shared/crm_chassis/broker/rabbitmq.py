"""RabbitMQ: pika with pipelined confirms outwards, kombu inwards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import pika
from kombu import Connection
from pika.adapters.select_connection import SelectConnection

from crm_chassis.broker import BrokerAway, Message, Publisher, Subscription
from crm_chassis.broker.kombu_subscription import HEARTBEAT_SECONDS, KombuSubscription
from crm_chassis.broker.topology import dead_letter_queue_name, queue_name
from crm_contracts.asyncapi import CONTENT_TYPE, EXCHANGE

_WINDOW = 1000
_CONFIRM_SECONDS = 30.0
_CLOSE_SECONDS = 2.0
_ANSWER_SECONDS = 10  # for the broker to answer; a queue without a leader does not
_PERSISTENT = 2


class RabbitMQ:
    """A service's view of RabbitMQ, with the service's own account."""

    def __init__(self, service: str, url: str) -> None:
        self._service = service
        self._url = url

    def publisher(self, exchange: str = EXCHANGE) -> Publisher:
        return ConfirmingPublisher(self._url, exchange)

    def subscription(self, prefetch: int) -> Subscription:
        return self._subscription(queue_name(self._service), prefetch)

    def dead_letters(self, prefetch: int) -> Subscription:
        return self._subscription(dead_letter_queue_name(self._service), prefetch)

    def _subscription(self, queue: str, prefetch: int) -> Subscription:
        connection = Connection(
            self._url,
            heartbeat=HEARTBEAT_SECONDS,
            connect_timeout=5,
            transport_options={"read_timeout": _ANSWER_SECONDS, "write_timeout": _ANSWER_SECONDS},
        )
        return KombuSubscription(connection, queue, prefetch)


class ConfirmingPublisher:
    """Publishes batches; what the broker confirms is on its disks."""

    def __init__(self, url: str, exchange: str) -> None:
        parameters = pika.URLParameters(url)
        parameters.heartbeat = HEARTBEAT_SECONDS
        parameters.blocked_connection_timeout = _CONFIRM_SECONDS
        parameters.socket_timeout = 5
        self._session = _Session(parameters, exchange)
        self._session.open(_CONFIRM_SECONDS)

    @property
    def connected(self) -> bool:
        return not self._session.ended

    def publish(self, messages: Sequence[Message]) -> set[str]:
        confirmed = self._session.publish(messages, _CONFIRM_SECONDS)
        if len(confirmed) < len(messages):
            # A confirm that comes late must not be counted for the next batch.
            self._session.close("not all was confirmed")
            if not confirmed:
                raise BrokerAway(f"nothing was confirmed: {self._session.failure}")
        return {messages[index].id for index in confirmed}

    def close(self) -> None:
        self._session.close("closed")


class _Session:
    """One connection with its channel, living in a thread of its own."""

    def __init__(self, parameters: pika.URLParameters, exchange: str) -> None:
        self.failure: str | None = None
        self.ended = False
        self._exchange = exchange
        self._messages: Sequence[Message] = ()
        self._next = 0  # index of the next message to send
        self._first_tag = 1  # delivery tag of index 0
        self._oldest = 0  # no index below it is in flight
        self._in_flight: set[int] = set()
        self._confirmed: set[int] = set()
        self._settled = threading.Event()
        self._ready = threading.Event()
        self._channel: Any = None
        self._properties = pika.BasicProperties(
            content_type=CONTENT_TYPE, delivery_mode=_PERSISTENT
        )
        self._connection = SelectConnection(
            parameters,
            on_open_callback=lambda opened: opened.channel(on_open_callback=self._on_channel),
            on_open_error_callback=self._on_end,
            on_close_callback=self._on_end,
        )
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)
        self._thread.start()

    def open(self, timeout: float) -> None:
        """Wait until it can publish.

        :raises BrokerAway: it cannot.
        """
        if not self._ready.wait(timeout) or self.ended:
            self.close("not open in time")
            raise BrokerAway(f"cannot publish: {self.failure}")

    def publish(self, messages: Sequence[Message], timeout: float) -> set[int]:
        """The indexes of the messages that the broker has taken; of the others nothing is known."""
        settled = self._settled = threading.Event()
        confirmed: set[int] = set()
        self._call(lambda: self._begin(messages, confirmed))
        if self.ended:
            settled.set()
        if not settled.wait(timeout):
            self.close(f"not confirmed within {timeout:g} s")
        return confirmed

    def close(self, reason: str) -> None:
        self._call(lambda: self._close(reason))
        self._thread.join(_CLOSE_SECONDS + 1)

    def _call(self, function: Callable[[], None]) -> None:
        self._connection.ioloop.add_callback_threadsafe(function)

    # From here on everything runs in the session's own thread.

    def _run(self) -> None:
        try:
            self._connection.ioloop.start()
        except Exception as error:  # whatever ends the loop must wake the caller
            self.failure = self.failure or repr(error)
        finally:
            self.ended = True
            self._ready.set()
            self._settled.set()

    def _on_channel(self, channel: Any) -> None:
        channel.add_on_close_callback(lambda _channel, reason: self._close(repr(reason)))
        channel.confirm_delivery(self._on_confirm, callback=lambda _frame: self._on_ready(channel))

    def _on_ready(self, channel: Any) -> None:
        # A missing exchange would only show when something is published.
        channel.exchange_declare(
            self._exchange, passive=True, callback=lambda _frame: self._on_exchange(channel)
        )

    def _on_exchange(self, channel: Any) -> None:
        self._channel = channel
        self._ready.set()

    def _begin(self, messages: Sequence[Message], confirmed: set[int]) -> None:
        self._first_tag += self._next
        self._messages, self._next, self._oldest = messages, 0, 0
        self._in_flight, self._confirmed = set(), confirmed
        self._send()

    def _send(self) -> None:
        if self._channel.is_closed:
            return
        while self._next < len(self._messages) and len(self._in_flight) < _WINDOW:
            message = self._messages[self._next]
            self._in_flight.add(self._next)
            self._next += 1
            self._properties.message_id = message.id
            self._channel.basic_publish(
                self._exchange, message.routing_key, message.body, self._properties
            )
        if not self._in_flight:
            self._settled.set()

    def _on_confirm(self, frame: Any) -> None:
        answer = frame.method
        last = answer.delivery_tag - self._first_tag
        settled = {last}
        if answer.multiple:
            settled = self._in_flight.intersection(range(self._oldest, last + 1))
            self._oldest = last + 1
        self._in_flight -= settled
        if isinstance(answer, pika.spec.Basic.Ack):
            self._confirmed.update(settled)
        else:
            self.failure = "refused by the broker (nack)"
        self._send()

    def _close(self, reason: str) -> None:
        self.failure = self.failure or reason
        if self._connection.is_closed or self._connection.is_closing:
            return
        self._connection.ioloop.call_later(_CLOSE_SECONDS, self._connection.ioloop.stop)
        self._connection.close()

    def _on_end(self, _connection: Any, reason: Any) -> None:
        self.failure = self.failure or repr(reason)
        self._connection.ioloop.stop()
