"""The subscription, on a real broker; a forwarder between lets a test cut the line."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pika
import pytest

from crm_client.events import MalformedEventError, SubscriptionError, decode, subscribe

QUEUE = "erp.events"


def body(number: int, **changes) -> bytes:
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "type": "crm.sales.opportunity.won.v1",
        "source": "/crm/sales",
        "subject": "0190aaaa-0000-7000-8000-000000000001",
        "time": "2026-11-22T03:42:00.123456Z",
        "sequence": f"{number:020d}",
        "actor": "李娜",
        "data": {"name": "联想", "amount": "1500.00"},
    }
    return json.dumps({**event, **changes}).encode()


def test_an_event_as_it_is_on_the_wire():
    event = decode(body(7, traceparent="00-ab-cd-01"))
    assert (event.type, event.sequence, event.actor) == ("crm.sales.opportunity.won.v1", 7, "李娜")
    assert event.time == datetime(2026, 11, 22, 3, 42, 0, 123456, UTC)
    assert event.data == {"name": "联想", "amount": "1500.00"}
    assert event.traceparent == "00-ab-cd-01"
    assert event.causationid is None


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"\xff", "not JSON"),
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'{"id": "1"}', "without specversion, type, source"),
        (body(1, time="yesterday"), "yesterday"),
        (body(1, sequence="many"), "many"),
    ],
)
def test_bytes_that_are_no_event(raw, said):
    with pytest.raises(MalformedEventError, match=said):
        decode(raw)


class Broker:
    """A queue with a dead-letter queue, and a line to it that can be cut."""

    def __init__(self, url: str) -> None:
        self._connection = pika.BlockingConnection(pika.URLParameters(url))
        self._channel = self._connection.channel()
        self._channel.confirm_delivery()
        self._channel.queue_declare("erp.dead", durable=True)
        dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": "erp.dead"}
        arguments = {"x-queue-type": "quorum", **dead}
        self._channel.queue_declare(QUEUE, durable=True, arguments=arguments)
        self.line = Line(urlsplit(url).hostname, urlsplit(url).port)
        parts = urlsplit(url)
        account = parts.netloc.rpartition("@")[0]
        self.url = parts._replace(netloc=f"{account}@127.0.0.1:{self.line.port}").geturl()

    def publish(self, *bodies: bytes) -> None:
        for content in bodies:
            self._channel.basic_publish("", QUEUE, content)

    def waiting(self, queue: str = QUEUE) -> int:
        """Messages that are ready, with nobody holding them."""
        return self._channel.queue_declare(queue, passive=True).method.message_count

    def comes_to(self, count: int, queue: str = QUEUE) -> bool:
        deadline = time.monotonic() + 15
        while self.waiting(queue) != count and time.monotonic() < deadline:
            self._connection.sleep(0.02)
        return self.waiting(queue) == count

    def close(self) -> None:
        self._connection.close()
        self.line.close()


class Line:
    """Forwards TCP connections to an address, until cut."""

    def __init__(self, host: str, port: int) -> None:
        self._to = (host, port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = self._server.getsockname()[1]
        self.accepted = 0
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break the connections there are; new ones are let through."""
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        self._ends.clear()

    def close(self) -> None:
        self._server.close()
        self.cut()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._server.accept()
                far = socket.create_connection(self._to)
                self.accepted += 1
                self._ends += [near, far]
                for ends in ((near, far), (far, near)):
                    threading.Thread(target=self._forward, args=ends, daemon=True).start()

    @staticmethod
    def _forward(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while block := source.recv(1 << 16):
                target.sendall(block)
            target.shutdown(socket.SHUT_WR)


@pytest.fixture
def broker(rabbitmq) -> Iterator[Broker]:
    broker = Broker(rabbitmq.create_vhost("client"))
    yield broker
    broker.close()


def take(broker: Broker, count: int, **options) -> list[int]:
    """Work through that many events; each is acknowledged."""
    seen = []
    for event in subscribe(broker.url, QUEUE, **options):
        if len(seen) == count:
            break
        seen.append(event.sequence)
    return seen


def test_events_are_acknowledged_after_the_body_of_the_loop(broker):
    broker.publish(*(body(number) for number in range(4)))
    assert take(broker, 3) == [0, 1, 2]
    assert not [thread for thread in threading.enumerate() if "subscription" in thread.name]
    assert broker.comes_to(1)


def test_an_event_whose_body_fails_comes_again(broker):
    broker.publish(body(1))

    def work():
        for event in subscribe(broker.url, QUEUE):
            raise RuntimeError(f"the ERP refused {event.sequence}")

    with pytest.raises(RuntimeError, match="the ERP refused 1"):
        work()
    assert broker.comes_to(1)


def test_no_more_than_the_prefetch_is_held(broker):
    broker.publish(*(body(number) for number in range(10)))
    events = subscribe(broker.url, QUEUE, prefetch=3)
    next(events)
    assert broker.comes_to(7)
    events.close()
    assert broker.comes_to(10)


def test_a_cut_line_is_made_again_and_no_event_is_lost(broker):
    broker.publish(*(body(number) for number in range(20)))
    seen = set()
    for event in subscribe(broker.url, QUEUE, prefetch=5):
        if event.sequence == 99:
            break
        seen.add(event.sequence)
        if len(seen) == 8 and broker.line.accepted == 1:
            broker.line.cut()
        if len(seen) == 20:
            broker.publish(body(99))
    assert seen == set(range(20))
    assert broker.line.accepted >= 2


def test_a_body_may_take_longer_than_the_heartbeat(broker):
    broker.publish(body(1), body(2))
    for event in subscribe(broker.url, QUEUE, heartbeat=1):
        if event.sequence == 2:
            break
        assert not threading.Event().wait(4)
    assert broker.comes_to(1)
    assert broker.line.accepted == 1


def test_what_is_no_event_goes_to_the_dead_letters_and_its_neighbours_go_on(broker):
    broker.publish(body(1), b"{", body(2), body(3))
    assert take(broker, 2) == [1, 2]
    assert broker.comes_to(1, "erp.dead")


def test_a_queue_that_is_not_there_is_told(broker):
    with pytest.raises(SubscriptionError, match="no queue 'nobody'"):
        next(subscribe(broker.url, "nobody"))


def test_a_wrong_password_is_told(broker):
    parts = urlsplit(broker.url)
    wrong = parts._replace(netloc=f"erp:wrong@127.0.0.1:{broker.line.port}").geturl()
    with pytest.raises(SubscriptionError, match="ACCESS_REFUSED"):
        next(subscribe(wrong, QUEUE))
