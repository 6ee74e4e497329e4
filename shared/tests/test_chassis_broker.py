"""What every broker promises, on the embedded one and on RabbitMQ alike."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing

import pytest
from kombu import Connection
from notes_service import CHANGED, CONTRACTS, LENT, SHREDDED, WRITTEN

from crm_chassis.broker import Broker, BrokerAway, Delivery, Message, topology
from crm_chassis.broker.embedded import EmbeddedBroker, Exchanges
from crm_chassis.broker.rabbitmq import RabbitMQ
from crm_chassis.database import new_id
from crm_chassis.testing_runtimes import free_port

TEAM_CREATED = "crm.gateway.team.created.v1"
ViewOf = Callable[[str], Broker]


@pytest.fixture(params=["embedded", "rabbitmq"])
def view_of(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ViewOf:
    """A service's view of the broker."""
    if request.param == "embedded":
        monkeypatch.setattr("crm_chassis.broker.embedded._PATIENCE_SECONDS", 0.2)
        exchanges = Exchanges(CONTRACTS)
        return lambda service: EmbeddedBroker(service, exchanges)
    urls = request.getfixturevalue("rabbitmq_accounts")
    return lambda service: RabbitMQ(service, urls[service])


def message(event_type: str) -> Message:
    return Message(new_id(), event_type, b'{"a":"\xc3\xa9"}')


@pytest.fixture
def send(view_of: ViewOf) -> Iterator[Callable[..., Future[set[str]]]]:
    """Publishes as the relay does: again and again, until all is confirmed."""
    over = threading.Event()

    def until_confirmed(service: str, messages: Sequence[Message]) -> set[str]:
        confirmed: set[str] = set()
        with closing(view_of(service).publisher()) as publisher:
            while not over.is_set():
                confirmed |= publisher.publish([m for m in messages if m.id not in confirmed])
                if len(confirmed) == len(messages):
                    break
        return confirmed

    with ThreadPoolExecutor() as pool:
        yield lambda service, *messages: pool.submit(until_confirmed, service, messages)
        over.set()


def received(broker: Broker, count: int = 1) -> list[Delivery]:
    """Take and acknowledge ``count`` deliveries, and see that no other one is there."""
    with closing(broker.subscription(prefetch=100)) as subscription:
        found: list[Delivery] = []
        while len(found) < count:
            batch = subscription.receive(100, timeout=10)
            assert batch, f"{len(found)} of {count} came"
            subscription.acknowledge(batch)
            found += batch
        assert subscription.receive(1, timeout=0.1) == []
    assert len(found) == count
    return found


def test_an_event_reaches_every_subscriber_and_no_other(view_of, send):
    written, created, lent = message(WRITTEN), message(TEAM_CREATED), message(LENT)
    futures = [send("notes", written), send("gateway", created), send("library", lent)]
    at_library, at_notes = received(view_of("library"), 2), received(view_of("notes"), 2)
    assert {delivery.id for delivery in at_library} == {written.id, created.id}
    assert {delivery.id for delivery in at_notes} == {lent.id, created.id}
    assert received(view_of("gateway"), 0) == []
    assert [future.result() for future in futures] == [{written.id}, {created.id}, {lent.id}]


def test_the_body_arrives_byte_by_byte_as_it_was_sent(view_of, send):
    sent = Message(new_id(), WRITTEN, bytes(range(256)) * 40)
    send("notes", sent)
    (delivery,) = received(view_of("library"))
    assert (delivery.id, delivery.body) == (sent.id, sent.body)


def test_an_event_nobody_subscribes_to_is_confirmed(view_of, send):
    unheard = message(SHREDDED)
    assert send("notes", unheard).result(10) == {unheard.id}


def test_what_was_not_acknowledged_comes_again(view_of, send):
    messages = [message(WRITTEN) for _ in range(3)]
    send("notes", *messages)
    with closing(view_of("library").subscription(prefetch=100)) as subscription:
        found: list[Delivery] = []
        while len(found) < 3:
            found += subscription.receive(3 - len(found), timeout=10)
        subscription.acknowledge(found[:1])
    again = received(view_of("library"), 2)
    assert {delivery.id for delivery in again} == {delivery.id for delivery in found[1:]}


def test_what_was_pushed_and_not_received_comes_again(view_of, send):
    messages = [message(WRITTEN) for _ in range(5)]
    send("notes", *messages)
    with closing(view_of("library").subscription(prefetch=100)) as subscription:
        (first,) = subscription.receive(1, timeout=10)
        subscription.acknowledge([first])
    again = received(view_of("library"), 4)
    assert {d.id for d in again} | {first.id} == {m.id for m in messages}


def test_batches_are_no_larger_than_asked_for_and_in_order(view_of, send):
    messages = [message(WRITTEN) for _ in range(25)]
    send("notes", *messages)
    batches: list[list[Delivery]] = []
    with closing(view_of("library").subscription(prefetch=20)) as subscription:
        while sum(map(len, batches)) < 25:
            batches.append(subscription.receive(10, timeout=10))
            assert 0 < len(batches[-1]) <= 10
            subscription.acknowledge(batches[-1])
    assert [delivery.id for batch in batches for delivery in batch] == [m.id for m in messages]


def test_two_consumers_share_a_queue(view_of, send):
    messages = [message(WRITTEN) for _ in range(20)]
    with (
        closing(view_of("library").subscription(prefetch=2)) as one,
        closing(view_of("library").subscription(prefetch=2)) as other,
    ):
        send("notes", *messages)
        found: dict[int, list[str]] = {0: [], 1: []}
        for turn in range(200):
            subscription = (one, other)[turn % 2]
            batch = subscription.receive(2, timeout=0.5)
            if batch:
                subscription.acknowledge(batch)
            found[turn % 2] += [delivery.id for delivery in batch]
            if sum(map(len, found.values())) == 20:
                break
    assert sorted(found[0] + found[1]) == sorted(m.id for m in messages)
    assert found[0]
    assert found[1]


def test_a_message_for_nobody_yet_waits_for_its_subscriber(view_of, send):
    waiting = send("notes", message(WRITTEN), message(CHANGED))
    assert len(received(view_of("library"), 2)) == 2
    assert len(waiting.result(10)) == 2


class TestEmbedded:
    """Memory is lost on a kill, so that only an acknowledgement is a confirmation."""

    @pytest.fixture
    def exchanges(self, monkeypatch):
        monkeypatch.setattr("crm_chassis.broker.embedded._PATIENCE_SECONDS", 0.2)
        return Exchanges(CONTRACTS)

    def test_confirmed_only_after_every_subscriber_acknowledged(self, exchanges):
        told = message(TEAM_CREATED)
        publisher = EmbeddedBroker("gateway", exchanges).publisher()
        assert publisher.publish([told]) == set()
        assert received(EmbeddedBroker("notes", exchanges))[0].id == told.id
        assert publisher.publish([told]) == set()
        assert received(EmbeddedBroker("library", exchanges))[0].id == told.id
        assert publisher.publish([told]) == {told.id}

    def test_publishing_again_what_is_under_way_sends_it_once(self, exchanges):
        told = message(WRITTEN)
        publisher = EmbeddedBroker("notes", exchanges).publisher()
        for _ in range(3):
            assert publisher.publish([told]) == set()
        assert len(received(EmbeddedBroker("library", exchanges), 1)) == 1

    def test_exchanges_know_nothing_of_each_other(self, exchanges):
        EmbeddedBroker("notes", exchanges).publisher().publish([message(WRITTEN)])
        assert received(EmbeddedBroker("library", Exchanges(CONTRACTS)), 0) == []


class TestRabbitMQ:
    """What only a broker with accounts, and at the other end of a network, can do wrong."""

    def test_declaring_what_was_imported_changes_nothing(self, rabbitmq_accounts):
        topology.declare(rabbitmq_accounts["admin"], CONTRACTS)

    def test_an_account_cannot_publish_anothers_event(self, rabbitmq_accounts):
        broker = RabbitMQ("notes", rabbitmq_accounts["notes"])
        with pytest.raises(BrokerAway, match="ACCESS_REFUSED"):
            broker.publisher().publish([message(LENT)])
        received(broker, 0)

    def test_an_account_cannot_read_anothers_queue(self, rabbitmq_accounts):
        with pytest.raises(BrokerAway, match="ACCESS_REFUSED"):
            RabbitMQ("library", rabbitmq_accounts["notes"]).subscription(prefetch=1)

    def test_an_account_cannot_declare(self, rabbitmq_accounts):
        with (
            Connection(rabbitmq_accounts["notes"]) as connection,
            pytest.raises(connection.channel_errors, match="ACCESS_REFUSED"),
        ):
            topology.declare(rabbitmq_accounts["notes"], CONTRACTS)

    def test_without_an_exchange_publishing_fails(self, rabbitmq):
        with pytest.raises(BrokerAway, match="NOT_FOUND"):
            RabbitMQ("notes", rabbitmq.create_vhost("empty")).publisher()

    def test_without_a_queue_consuming_fails(self, rabbitmq):
        with pytest.raises(BrokerAway, match="NOT_FOUND"):
            RabbitMQ("notes", rabbitmq.create_vhost("empty")).subscription(prefetch=1)

    @pytest.mark.parametrize("attach", [RabbitMQ.publisher, lambda b: b.subscription(1)])
    def test_without_a_broker_attaching_fails(self, attach):
        with pytest.raises(BrokerAway):
            attach(RabbitMQ("notes", f"amqp://notes:secret@127.0.0.1:{free_port()}/none"))

    def test_a_connection_lost_between_batches_confirms_nothing_more(
        self, rabbitmq_accounts, cable, wait_for
    ):
        line = cable(rabbitmq_accounts["notes"])
        others = threading.enumerate()
        publisher = RabbitMQ("notes", line.url).publisher()
        (session,) = set(threading.enumerate()) - {*others} - {*line.threads}
        assert len(publisher.publish([message(WRITTEN)])) == 1
        line.cut()
        wait_for(lambda: not session.is_alive())
        for _ in range(2):
            with pytest.raises(BrokerAway):
                publisher.publish([message(WRITTEN)])

    def test_a_connection_lost_under_a_batch_confirms_only_what_was_taken(
        self, rabbitmq_accounts, cable
    ):
        line = cable(rabbitmq_accounts["notes"])
        publisher = RabbitMQ("notes", line.url).publisher()
        sent = [message(WRITTEN) for _ in range(20_000)]
        threading.Timer(0.2, line.cut).start()
        try:
            confirmed = publisher.publish(sent)
        except BrokerAway:
            confirmed = set()
        broker = RabbitMQ("library", rabbitmq_accounts["library"])
        arrived: set[str] = set()
        with closing(broker.subscription(prefetch=2000)) as subscription:
            while batch := subscription.receive(2000, timeout=0.5):
                subscription.acknowledge(batch)
                arrived |= {delivery.id for delivery in batch}
        assert confirmed <= arrived
        assert len(arrived) < len(sent), "the cable was cut too late to tell"

    def test_a_lost_connection_ends_a_subscription_and_the_messages_come_again(
        self, rabbitmq_accounts, cable
    ):
        sent = message(WRITTEN)
        with closing(RabbitMQ("notes", rabbitmq_accounts["notes"]).publisher()) as publisher:
            publisher.publish([sent])
        line = cable(rabbitmq_accounts["library"])
        with closing(RabbitMQ("library", line.url).subscription(prefetch=1)) as subscription:
            assert subscription.receive(1, timeout=10)
            line.cut()
            with pytest.raises(BrokerAway):
                subscription.receive(1, timeout=10)
        assert received(RabbitMQ("library", rabbitmq_accounts["library"]))[0].id == sent.id

    def test_a_message_that_consumers_die_on_goes_to_the_dead_letters(
        self, rabbitmq_accounts, wait_for
    ):
        deadly = message(WRITTEN)
        with closing(RabbitMQ("notes", rabbitmq_accounts["notes"]).publisher()) as publisher:
            publisher.publish([deadly])
        library = RabbitMQ("library", rabbitmq_accounts["library"])
        for _ in range(topology.DELIVERY_LIMIT + 1):
            with closing(library.subscription(prefetch=1)) as subscription:
                assert subscription.receive(1, timeout=10)
        received(library, 0)
        with Connection(rabbitmq_accounts["library"]) as connection:
            queue = topology.dead_letter_queue_name("library")
            dead = wait_for(lambda: connection.default_channel.basic_get(queue))
        assert dead.properties["message_id"] == deadly.id
