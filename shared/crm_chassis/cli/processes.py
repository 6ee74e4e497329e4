"""What a service's processes run: its api, its worker, its migrations."""

from __future__ import annotations

import gc
import os
import signal
import sys
import threading
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import click
from flask import current_app

from crm_chassis.web import current_service


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
    if settings.drain_seconds:
        arguments.append("--config=python:crm_chassis.draining")
    program = os.path.join(os.path.dirname(sys.executable), "gunicorn")
    os.execv(program, [program, *arguments])  # noqa: S606 - our own program, no shell


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, *_args: Any) -> None:
        """Probes are not worth a line."""


class _ProbeServer(ThreadingMixIn, WSGIServer):
    """A thread a probe: one that waits for the database keeps none waiting that does not."""

    daemon_threads = True

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
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # for the threads to be started, too
    _serve_probes(service.settings.probe_bind)
    _spare_collector()
    service.start_worker()
    signal.sigwait(ends)
    service.close()


@click.command()
def tidy() -> None:
    """Remove once what is past its retention, as the worker does each hour."""
    removed = current_service().retention.run()
    click.echo(", ".join(f"{count} {kind}" for kind, count in removed.items()) or "nothing")


@click.command()
@click.option("--new", "message", help="Write a migration for what the models have more.")
@click.option("--wait", is_flag=True, help="Only wait until another process has brought it there.")
def migrate(message: str | None, wait: bool) -> None:
    """Bring the database's schema to this version."""
    migrations = current_service().migrations
    if message:
        migrations.new(message)
    elif wait:
        migrations.wait()
    else:
        migrations.upgrade()
