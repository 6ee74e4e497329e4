"""``crm parked``: events that a service could not take in."""

from __future__ import annotations

from typing import Any

import click

from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.cli.reads import json_option
from crm_client.client import Client
from crm_client.errors import ConflictError, NotFoundError

PARKED = "parked"
COLUMNS = ("id", "type", "reason", "handler", "attempts", "parked_at")

service_argument = click.argument("service")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID...]")
all_option = click.option("--all", "all_", is_flag=True, help="All that are parked now.")


@click.group()
def parked() -> None:
    """List, redrive or discard the events that a SERVICE has parked."""


@parked.command("list")
@service_argument
@click.option("--state", default=PARKED, show_default=True)
@json_option
@signed_in
def list_(client: Client, service: str, state: str, as_json: bool) -> None:
    """Show a SERVICE's parked events with the reasons."""
    found = client.pages(_path(service), {"state": state})
    output.as_json_lines(found) if as_json else output.rows(list(found), COLUMNS)


@parked.command()
@service_argument
@ids_argument
@all_option
@signed_in
def redrive(client: Client, service: str, ids: tuple[str, ...], all_: bool) -> None:
    """Give events to their handlers again, after the fault is mended."""
    _post_each(client, service, ids, all_, "redrive", {})


@parked.command()
@service_argument
@ids_argument
@all_option
@click.option("--reason", required=True, help="Why they are not needed; kept with them.")
@signed_in
def discard(client: Client, service: str, ids: tuple[str, ...], all_: bool, reason: str) -> None:
    """Give events up, for a reason."""
    _post_each(client, service, ids, all_, "discard", {"reason": reason})


def _post_each(
    client: Client,
    service: str,
    ids: tuple[str, ...],
    all_: bool,
    move: str,
    document: dict[str, Any],
) -> None:
    if bool(ids) == all_:
        raise click.UsageError("Name the events by their IDs, or say --all.")
    # The whole list first: moving events while paging through them would skip some.
    chosen = ids or [item["id"] for item in client.pages(_path(service), {"state": PARKED})]
    refused = 0
    for event_id in chosen:
        try:
            client.post(f"{_path(service)}/{event_id}/{move}", document)
            click.echo(f"{event_id} done")
        except (ConflictError, NotFoundError) as error:
            refused += 1
            click.echo(f"{event_id} not done: {error.detail}", err=True)
    if refused:
        raise click.ClickException(f"{refused} of {len(chosen)} events stay as they are.")
    if not chosen:
        click.echo("Nothing is parked.")


def _path(service: str) -> str:
    return f"/api/{service}/v1/events/parked"
