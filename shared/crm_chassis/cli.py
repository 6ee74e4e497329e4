"""The commands of every service: ``flask --app crm_sales.app api|worker|migrate|events ...``."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click
import orjson
from flask import Flask, current_app

from crm_chassis import events_api
from crm_chassis.broker import topology
from crm_chassis.problems import Problem
from crm_chassis.web import current_service

_OPERATOR = "operator"


def register(app: Flask) -> None:
    """Add the commands to the application."""
    for command in (api, worker, migrate, events):
        app.cli.add_command(command)


@click.command()
def api() -> None:
    """Answer requests, with gunicorn."""
    settings = current_service().settings
    arguments = [
        f"{current_app.import_name}:create_app()",
        f"--bind={settings.bind}",
        "--worker-class=gthread",
        f"--workers={settings.web_workers}",
        f"--threads={settings.web_threads}",
        "--keep-alive=75",
        "--graceful-timeout=25",
        "--no-control-socket",
    ]
    program = os.path.join(os.path.dirname(sys.executable), "gunicorn")
    os.execv(program, [program, *arguments])  # noqa: S606 - our own program, no shell


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Probes are not worth a line."""


class _ProbeServer(WSGIServer):
    def handle_error(self, *_args: Any) -> None:
        """A prober that hangs up is not a fault."""


def _serve_probes(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    server = make_server(
        host,
        int(port),
        current_app.wsgi_app,
        server_class=_ProbeServer,
        handler_class=_QuietHandler,
    )
    threading.Thread(target=server.serve_forever, name="probes", daemon=True).start()


def _spare_collector() -> None:
    """Keep garbage collection from going through all that is loaded, several times a batch.

    A batch makes some ten thousand objects and hardly a cycle among them; with the defaults, a
    tenth of a consumer's time is spent looking for one.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 10, 10)


@click.command()
def worker() -> None:
    """Relay, consume and import until told to stop; probes and metrics at PROBE_BIND."""
    service = current_service()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    _serve_probes(service.settings.probe_bind)
    _spare_collector()
    service.start_worker()
    while not stop.wait(1):  # a signal just before the wait would not end it
        pass
    service.close()


@click.command()
@click.option("--new", "message", help="Write a migration for what the models have more.")
def migrate(message: str | None) -> None:
    """Bring the database's schema to this version."""
    migrations = current_service().migrations
    if message:
        migrations.new(message)
    else:
        migrations.upgrade()


@click.group()
def events() -> None:
    """Parked events, and the broker's topology."""


@events.command()
@click.option("--state", type=click.Choice(events_api.STATES), default="parked")
@click.option("--limit", type=int, default=100)
def parked(state: str, limit: int) -> None:
    """List parked events, a JSON object a line."""
    with current_service().database.reading() as session:
        for entry in events_api.list_parked(session, state, limit):
            click.echo(orjson.dumps(events_api.ParkedEvent().dump(entry)))


def _settle(action: Callable[[], None]) -> None:
    try:
        action()
    except Problem as problem:
        raise click.ClickException(problem.detail) from None


@events.command()
@click.argument("parked_id", type=click.UUID)
def redrive(parked_id: Any) -> None:
    """Handle a parked event again."""
    service = current_service()
    _settle(
        lambda: events_api.redrive(service.database, service.processor, str(parked_id), _OPERATOR)
    )


@events.command()
@click.argument("parked_id", type=click.UUID)
@click.option("--reason", required=True)
def discard(parked_id: Any, reason: str) -> None:
    """Give a parked event up."""
    database = current_service().database
    _settle(lambda: events_api.discard(database, str(parked_id), _OPERATOR, reason))


@events.command()
@click.argument("admin_url")
def declare(admin_url: str) -> None:
    """Create exchange, queues and bindings of the whole platform, as an administrator."""
    topology.declare(admin_url, current_service().catalogue)


@events.command()
@click.argument("accounts", nargs=-1, metavar="SERVICE=AMQP_URL...")
def definitions(accounts: tuple[str, ...]) -> None:
    """Print what `rabbitmqctl import_definitions` takes, accounts with least rights included."""
    urls = dict(account.split("=", 1) for account in accounts)
    click.echo(orjson.dumps(topology.definitions(current_service().catalogue, urls)))
