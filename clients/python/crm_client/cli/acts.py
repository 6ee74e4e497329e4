"""``crm acts``: what operators and administrators did."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from itertools import islice
from operator import itemgetter
from typing import Any

import click

from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.cli.reads import json_option
from crm_client.client import Client, Document
from crm_client.errors import ForbiddenError, UnavailableError
from crm_client.resources import SERVICES, base_path

COLUMNS = ("at", "service", "actor", "act", "subject", "detail")
_PAGE = 50


@click.command()
@click.option("--service", "services", multiple=True, help="Of this one alone; repeatable.")
@click.option("--act", help="Such as events.discard.")
@click.option("--actor", help="Id of a user or client, or operator:<system user>.")
@click.option("--subject", help="What it was done to.")
@click.option("--since", help="RFC 3339, such as 2026-01-31T00:00:00Z.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@json_option
@signed_in
def acts(
    client: Client, services: tuple[str, ...], limit: int, as_json: bool, **filters: str | None
) -> None:
    """Show what was administered in every service, newest first."""
    chosen = {name: value for name, value in filters.items() if value}
    told = [_of(client, service, chosen) for service in services or SERVICES]
    merged = heapq.merge(*told, key=itemgetter("at"), reverse=True)
    found = list(islice(merged, limit))
    output.as_json_lines(found) if as_json else output.rows(found, COLUMNS)


def _of(client: Client, service: str, filters: dict[str, Any]) -> Iterator[Document]:
    """A service's acts, each with the service's name; none where they may not be seen."""
    path = f"{base_path(service)}/administrative-acts"
    try:
        for act in client.pages(path, {**filters, "limit": _PAGE}):
            yield {"service": service, **act}
    except (ForbiddenError, UnavailableError) as error:
        click.echo(f"{service}: {error.detail}", err=True)
