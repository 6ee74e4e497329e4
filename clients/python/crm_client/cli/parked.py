"""``crm parked``: events that a service could not take in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from crm_client.cli import output
from crm_client.cli.access import signed_in
from crm_client.cli.reads import json_option
from crm_client.client import Client
from crm_client.errors import ConflictError, NotFoundError
from crm_client.resources import base_path

PARKED = "parked"
COLUMNS = ("id", "type", "reason", "handler", "attempts", "parked_at")

service_argument = click.argument("service")
ids_argument = click.argument("ids", nargs=-1, metavar="[ID...]")
all_option = click.option("--all", "all_", is_flag=True, help="All that are parked now.")


def narrowed(command: Callable[..., Any]) -> Callable[..., Any]:
    """Let parked events be chosen by their type or by the handler that refused them."""
    of_type = click.option("--type", "of_type", help="Events of this type.")
    return of_type(click.option("--handler", help="Events that this handler refused.")(command))


@click.group()
def parked() -> None:
    """List, redrive or discard the events that a SERVICE has parked."""


@parked.command("list")
@service_argument
@click.option("--state", default=PARKED, show_default=True)
@narrowed
@json_option
@signed_in
def list_(
    client: Client,
    service: str,
    state: str,
    of_type: str | None,
    handler: str | None,
    as_json: bool,
) -> None:
    """Show a SERVICE's parked events with the reasons."""
    found = client.pages(_path(service), {"state": state, **_filters(of_type, handler)})
    output.as_json_lines(found) if as_json else output.rows(list(found), COLUMNS)


@parked.command()
@service_argument
@ids_argument
@narrowed
@all_option
@signed_in
def redrive(client: Client, service: str, **chosen: Any) -> None:
    """Give events to their handlers again, after the fault is mended."""
    _settle(client, service, "redrive", {}, **chosen)


@parked.command()
@service_argument
@ids_argument
@narrowed
@all_option
@click.option("--reason", required=True, help="Why they are not needed; kept with them.")
@signed_in
def discard(client: Client, service: str, reason: str, **chosen: Any) -> None:
    """Give events up, for a reason."""
    _settle(client, service, "discard", {"reason": reason}, **chosen)


def _settle(
    client: Client,
    service: str,
    move: str,
    document: dict[str, Any],
    ids: tuple[str, ...],
    of_type: str | None,
    handler: str | None,
    all_: bool,
) -> None:
    filters = _filters(of_type, handler)
    if [bool(ids), bool(filters), all_].count(True) != 1:
        raise click.UsageError(
            "Name the events by their IDs, or by --type or --handler, or say --all."
        )
    if ids:
        done, refused = _post_each(client, service, ids, move, document)
    else:
        chosen = filters or {"all": True}
        done, refused = _post_all(client, service, move, document | chosen)
    if refused:
        raise click.ClickException(f"{refused} of {done + refused} events stay as they are.")
    if not done:
        click.echo("Nothing is parked.")


def _filters(of_type: str | None, handler: str | None) -> dict[str, Any]:
    given = {"type": of_type, "handler": handler}
    return {name: value for name, value in given.items() if value}


def _post_each(
    client: Client, service: str, ids: tuple[str, ...], move: str, document: dict[str, Any]
) -> tuple[int, int]:
    refused = 0
    for event_id in ids:
        try:
            client.post(f"{_path(service)}/{event_id}/{move}", document)
            click.echo(f"{event_id} done")
        except (ConflictError, NotFoundError) as error:
            refused += 1
            _tell_refusal(event_id, error.detail)
    return len(ids) - refused, refused


def _post_all(client: Client, service: str, move: str, document: dict[str, Any]) -> tuple[int, int]:
    """Batch by batch, until the service has none left to try."""
    done, refused = 0, 0
    cursor: str | None = None
    while True:
        behind = {"cursor": cursor} if cursor else {}
        settled = client.post(f"{_path(service)}/{move}", document | behind)
        for failure in settled["failed"]:
            _tell_refusal(failure["id"], failure["detail"])
        done, refused = done + settled["done"], refused + len(settled["failed"])
        click.echo(f"{done} done")
        cursor = settled["next_cursor"]
        if cursor is None:
            return done, refused


def _tell_refusal(event_id: str, detail: str) -> None:
    click.echo(f"{event_id} not done: {detail}", err=True)


def _path(service: str) -> str:
    return f"{base_path(service)}/events/parked"
