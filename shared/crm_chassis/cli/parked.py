"""Parked events and dead letters."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import click
import orjson

from crm_chassis.broker import BrokerAway, Delivery, Subscription
from crm_chassis.cli.options import by_option
from crm_chassis.inbox import type_of
from crm_chassis.operations import parked as parking
from crm_chassis.operations.administration import operator, record_act
from crm_chassis.operations.parked import (
    PARKED,
    STATES,
    Selection,
    Settled,
    Settling,
    list_parked,
    settle_all,
    settle_these,
)
from crm_chassis.operations.parked_api import ParkedEvent
from crm_chassis.web import current_service

if TYPE_CHECKING:
    from crm_chassis.service import Service

_DEAD_LETTER_SECONDS = 2.0


def _narrowed(command: Callable[..., Any]) -> Callable[..., Any]:
    of_type = click.option("--type", "of_type", help="Events of this type.")
    return of_type(click.option("--handler", help="Events that this handler refused.")(command))


@click.command()
@click.option("--state", type=click.Choice(STATES), default=PARKED)
@click.option("--limit", type=int, default=100)
@_narrowed
def parked(state: str, limit: int, of_type: str | None, handler: str | None) -> None:
    """List parked events, a JSON object a line."""
    with current_service().database.reading() as session:
        for entry in list_parked(session, state, limit, None, Selection(of_type, handler)):
            click.echo(orjson.dumps(ParkedEvent().dump(entry)))


_ids = click.argument("parked_ids", nargs=-1, type=click.UUID, metavar="[ID...]")
_all = click.option("--all", "all_", is_flag=True, help="All that are parked now.")


@click.command()
@_ids
@_narrowed
@_all
@by_option
def redrive(by: str, **chosen: Any) -> None:
    """Handle parked events again: those named, of a type, of a handler, or all."""
    service = current_service()
    _settle(
        lambda parked_id: parking.redrive(
            service.database, service.processor, parked_id, operator(by)
        ),
        **chosen,
    )


@click.command()
@_ids
@_narrowed
@_all
@click.option("--reason", required=True)
@by_option
def discard(by: str, reason: str, **chosen: Any) -> None:
    """Give parked events up: those named, of a type, of a handler, or all."""
    database = current_service().database
    _settle(lambda parked_id: parking.discard(database, parked_id, operator(by), reason), **chosen)


def _settle(
    settle: Settling,
    parked_ids: tuple[Any, ...],
    of_type: str | None,
    handler: str | None,
    all_: bool,
) -> None:
    if [bool(parked_ids), bool(of_type or handler), all_].count(True) != 1:
        raise click.UsageError("Name the events by their IDs, or by --type or --handler, or --all.")
    done, failed = 0, 0
    for settled in _batches(settle, parked_ids, Selection(of_type, handler)):
        for parked_id, why in settled.failed:
            click.echo(f"{parked_id}: {why}", err=True)
        done, failed = done + settled.done, failed + len(settled.failed)
    click.echo(f"{done} done, {failed} not")
    if failed:
        raise click.exceptions.Exit(1)


def _batches(settle: Settling, parked_ids: tuple[Any, ...], chosen: Selection) -> Iterator[Settled]:
    if parked_ids:
        return iter([settle_these(settle, [str(parked_id) for parked_id in parked_ids])])
    return settle_all(current_service().database, settle, chosen)


@click.command()
@click.option("--park", is_flag=True, help="Move them to the parked events.")
@click.option("--limit", type=click.IntRange(1), default=1000)
@by_option
def dead(park: bool, limit: int, by: str) -> None:
    """List dead letters, a JSON object a line: what consumers died on again and again."""
    service = current_service()
    try:
        with closing(service.broker.dead_letters(prefetch=limit)) as letters:
            found = _taken(letters, limit)
            if park and found:
                _park(service, found, operator(by))
                letters.acknowledge(found)
    except BrokerAway as error:
        raise click.ClickException(str(error)) from None
    for letter in found:
        click.echo(orjson.dumps({"id": letter.id, "type": type_of(letter.body), "parked": park}))


def _taken(letters: Subscription, limit: int) -> list[Delivery]:
    found: list[Delivery] = []
    while len(found) < limit:
        batch = letters.receive(limit - len(found), _DEAD_LETTER_SECONDS)
        if not batch:
            break
        found += batch
    return found


def _park(service: Service, letters: Sequence[Delivery], by: str) -> None:
    service.processor.park_dead(letters, "dead letter: consumers died on it")
    with service.database.transaction() as session:
        record_act(session, "events.park_dead", None, {"count": len(letters)}, actor=by)
