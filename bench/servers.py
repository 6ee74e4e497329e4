"""The servers that benchmarks run on, and the platform's place in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from crm_chassis.broker import topology
from crm_chassis.testing_servers import (
    PostgresServer,
    RabbitServer,
    postgres_server,
    rabbitmq_server,
)
from crm_contracts import catalogue
from crm_local.processes import service_accounts


@dataclass(frozen=True, slots=True)
class VirtualHost:
    """A place of its own in RabbitMQ.

    :ivar admin_url: its address for who may do everything there.
    :ivar accounts: its address for each service.
    """

    admin_url: str
    accounts: Mapping[str, str]


class Servers:
    """PostgreSQL and RabbitMQ, started when a benchmark first asks for them."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def postgres(self) -> PostgresServer:
        """:raises crm_chassis.testing_servers.Unavailable: none can be had."""
        return self._stack.enter_context(postgres_server())

    @cached_property
    def rabbitmq(self) -> RabbitServer:
        """:raises crm_chassis.testing_servers.Unavailable: none can be had."""
        return self._stack.enter_context(rabbitmq_server())

    def virtual_host(self) -> VirtualHost:
        """A new virtual host with the platform's exchange, queues and accounts."""
        admin_url = self.rabbitmq.create_vhost("bench")
        accounts = service_accounts(admin_url)
        self.rabbitmq.import_definitions(topology.definitions(catalogue(), accounts))
        return VirtualHost(admin_url, accounts)


@contextmanager
def servers() -> Iterator[Servers]:
    """Servers for as long as the context lasts."""
    with ExitStack() as stack:
        yield Servers(stack)
