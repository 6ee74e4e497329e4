"""The servers that benchmarks run on, and the platform's place in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import psycopg
import yaml
from psycopg import sql
from sqlalchemy import make_url

from crm_chassis.broker import topology
from crm_chassis.testing_servers import (
    PostgresServer,
    RabbitServer,
    postgres_server,
    rabbitmq_server,
)
from crm_contracts import catalogue
from crm_local.processes import service_accounts

_CLUSTER = Path(__file__).parents[1] / "deploy/k8s/components/postgresql-cluster/cluster.yaml"
"""PostgreSQL as production runs it."""


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
        """One that is started here has the settings of production.

        :raises crm_chassis.testing_servers.Unavailable: none can be had.
        """
        server = self._stack.enter_context(postgres_server())
        if server.is_ours:
            _set_as_in_production(server)
        return server

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


def _set_as_in_production(server: PostgresServer) -> None:
    settings = yaml.safe_load(_CLUSTER.read_text())["spec"]["postgresql"]["parameters"]
    url = make_url(server.admin_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(hide_password=False), autocommit=True) as connection:
        for name, value in settings.items():
            setting = sql.SQL("ALTER SYSTEM SET {} = {}")
            connection.execute(setting.format(sql.Identifier(name), sql.Literal(value)))
    server.stop()
    server.start()
