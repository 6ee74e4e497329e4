"""The exchanges, the queues and the rights, all derived from the catalogue of events.

It is created once, by an operator, with an administrator's account; the services' own accounts
can declare nothing.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from kombu import Connection, Exchange, Queue, binding

from crm_contracts.asyncapi import EXCHANGE
from crm_contracts.catalogue import Catalogue

REPLAYS = "crm.replay"
"""Takes events a second time, for one consumer alone."""
DEAD_LETTERS = "crm.dead"
DELIVERY_LIMIT = 20
"""Deliveries of one message to consumers that die on it, before it goes to the dead letters."""


def queue_name(service: str) -> str:
    return f"{service}.events"


def dead_letter_queue_name(service: str) -> str:
    return f"{service}.dead"


def services(catalogue: Catalogue) -> list[str]:
    """Every service that publishes or consumes an event."""
    consumers = {consumer for contract in catalogue for consumer in contract.consumers}
    return sorted(consumers | {contract.producer for contract in catalogue})


def queues_of(catalogue: Catalogue, event_type: str) -> list[str]:
    """The queues an event of this type reaches."""
    return [queue_name(service) for service in catalogue.contract(event_type).consumers]


def replay_key(producer: str, consumer: str) -> str:
    """The routing key of what ``producer`` replays to ``consumer``."""
    return f"{producer}.{consumer}"


def replayed_to(routing_key: str) -> str:
    """The consumer that a :func:`replay_key` names."""
    return routing_key.partition(".")[2]


def replays_to(consumer: str) -> str:
    """The key by which a queue is bound to whatever is replayed to its service."""
    return replay_key("*", consumer)


def _queue_arguments(service: str) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-delivery-limit": DELIVERY_LIMIT,
        "x-dead-letter-exchange": DEAD_LETTERS,
        "x-dead-letter-routing-key": service,
        "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    }


def declare(admin_url: str, catalogue: Catalogue) -> None:
    """Create exchanges, queues and bindings, or check that they are as they should be.

    :param admin_url: AMQP address of the virtual host, with a right to configure it.
    """
    events = Exchange(EXCHANGE, type="topic", durable=True)
    replays = Exchange(REPLAYS, type="topic", durable=True)
    dead = Exchange(DEAD_LETTERS, type="direct", durable=True)
    with Connection(admin_url, connect_timeout=5) as connection:
        channel = connection.default_channel
        for service in services(catalogue):
            Queue(
                dead_letter_queue_name(service),
                dead,
                routing_key=service,
                queue_arguments={"x-queue-type": "quorum"},
            )(channel).declare()
            Queue(
                queue_name(service),
                bindings=[
                    *(
                        binding(events, routing_key=contract.type)
                        for contract in catalogue.consumed_by(service)
                    ),
                    binding(replays, routing_key=replays_to(service)),
                ],
                queue_arguments=_queue_arguments(service),
            )(channel).declare()
        events(channel).declare()
        replays(channel).declare()


def definitions(catalogue: Catalogue, urls: Mapping[str, str]) -> dict[str, Any]:
    """What ``rabbitmqctl import_definitions`` takes: all of :func:`declare`, and the accounts.

    :param urls: each service's own AMQP address; its user and password are created with the
        least rights: publish and replay its own events, read its own queues, configure nothing.
    """
    accounts = {service: urlsplit(url) for service, url in urls.items()}
    vhosts = sorted({_vhost(url.path) for url in accounts.values()})
    users, permissions, topic_permissions = [], [], []
    for service, url in sorted(accounts.items()):
        word = re.escape(service)
        name = unquote(url.username or "")
        users.append(
            {
                "name": name,
                "password_hash": _password_hash(unquote(url.password or "")),
                "hashing_algorithm": "rabbit_password_hashing_sha256",
                "tags": "",
            }
        )
        vhost = _vhost(url.path)
        permissions.append(
            {
                "user": name,
                "vhost": vhost,
                "configure": "^$",
                "write": f"^({re.escape(EXCHANGE)}|{re.escape(REPLAYS)})$",
                "read": rf"^{word}\.(events|dead)$",
            }
        )
        for exchange, write in ((EXCHANGE, rf"^crm\.{word}\."), (REPLAYS, rf"^{word}\.")):
            topic_permissions.append(
                {
                    "user": name,
                    "vhost": vhost,
                    "exchange": exchange,
                    "write": write,
                    "read": "^$",
                }
            )
    objects = [_objects(catalogue, vhost) for vhost in vhosts]
    return {
        "vhosts": [{"name": vhost} for vhost in vhosts],
        "users": users,
        "permissions": permissions,
        "topic_permissions": topic_permissions,
        **{
            kind: [item for one in objects for item in one[kind]]
            for kind in ("exchanges", "queues", "bindings")
        },
    }


def _objects(catalogue: Catalogue, vhost: str) -> dict[str, list[dict[str, Any]]]:
    lasting = {"vhost": vhost, "durable": True, "auto_delete": False}
    exchanges = [
        {**lasting, "name": EXCHANGE, "type": "topic", "internal": False, "arguments": {}},
        {**lasting, "name": REPLAYS, "type": "topic", "internal": False, "arguments": {}},
        {**lasting, "name": DEAD_LETTERS, "type": "direct", "internal": False, "arguments": {}},
    ]
    queues, bindings = [], []

    def bind(source: str, queue: str, routing_key: str) -> None:
        bindings.append(
            {
                "source": source,
                "vhost": vhost,
                "destination": queue,
                "destination_type": "queue",
                "routing_key": routing_key,
                "arguments": {},
            }
        )

    for service in services(catalogue):
        queue, dead = queue_name(service), dead_letter_queue_name(service)
        queues.append({**lasting, "name": queue, "arguments": _queue_arguments(service)})
        queues.append({**lasting, "name": dead, "arguments": {"x-queue-type": "quorum"}})
        bind(DEAD_LETTERS, dead, service)
        for contract in catalogue.consumed_by(service):
            bind(EXCHANGE, queue, contract.type)
        bind(REPLAYS, queue, replays_to(service))
    return {"exchanges": exchanges, "queues": queues, "bindings": bindings}


def _vhost(path: str) -> str:
    return unquote(path.removeprefix("/")) or "/"


def _password_hash(password: str) -> str:
    """RabbitMQ's salted SHA-256 form of a password."""
    salt = os.urandom(4)
    digest = hashlib.sha256(salt + password.encode()).digest()
    return base64.b64encode(salt + digest).decode()
