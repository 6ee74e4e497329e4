"""What an administrator of the broker needs."""

from __future__ import annotations

from typing import IO

import click
import orjson

from crm_chassis.broker import topology
from crm_chassis.web import current_service


@click.command()
@click.argument("admin_url")
def declare(admin_url: str) -> None:
    """Create exchange, queues and bindings of the whole platform, as an administrator."""
    topology.declare(admin_url, current_service().catalogue)


@click.command()
@click.argument("accounts", nargs=-1, metavar="SERVICE=AMQP_URL...")
@click.option("--output", type=click.File("wb", atomic=True), default="-", help="A file for it.")
def definitions(accounts: tuple[str, ...], output: IO[bytes]) -> None:
    """Print what `rabbitmqctl import_definitions` takes, accounts with least rights included."""
    urls = dict(account.split("=", 1) for account in accounts)
    made = topology.definitions(current_service().catalogue, urls)
    output.write(orjson.dumps(made, option=orjson.OPT_APPEND_NEWLINE))
