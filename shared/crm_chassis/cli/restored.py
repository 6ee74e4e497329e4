"""What others saw of a service: ``events seen``, and at that service ``unseen``, ``reconcile``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, TextIO

import click
import orjson

from crm_chassis.cli.options import INSTANT, by_option, types_between
from crm_chassis.context import Origin, acting
from crm_chassis.operations.administration import operator
from crm_chassis.operations.reconcile import Outcome, Seen
from crm_chassis.operations.reconcile import seen as events_seen
from crm_chassis.operations.reconcile import unseen as events_unseen
from crm_chassis.web import current_service


@click.command()
@click.option("--from", "producer", required=True, help="The service whose events these are.")
@click.option("--since", type=INSTANT, required=True, help="Recorded then or later.")
def seen(producer: str, since: datetime) -> None:
    """List the events of a service that this one has seen, a JSON object a line."""
    service = current_service()
    if producer not in service.catalogue.services:
        raise click.ClickException(f"there is no service {producer}")
    for each in events_seen(service.database, service.name, producer, since):
        click.echo(each.line())


def _lines(files: Sequence[TextIO]) -> Iterator[Seen]:
    for file in files:
        for number, line in enumerate(file, start=1):
            try:
                yield Seen.parse(line)
            except ValueError as error:
                raise click.ClickException(f"{file.name}, line {number}: {error}") from None


@click.command()
@click.option("--at", "consumer", required=True, help="The service that was to see them.")
@click.option("--since", type=INSTANT, required=True, help="Recorded then or later.")
@click.argument("files", type=click.File(), nargs=-1, required=True)
def unseen(consumer: str, since: datetime, files: Sequence[Any]) -> None:
    """List the ids of this service's events that a consumer has not seen; exit 1 if there are any.

    FILES are what `events seen --from THIS_SERVICE` printed there.
    """
    service = current_service()
    types = types_between(service, service.name, consumer)
    ids = {each.id for each in _lines(files)}
    with service.database.reading() as session:
        missing = list(events_unseen(session, types, since, ids))
    for event_id in missing:
        click.echo(event_id)
    if missing:
        raise click.ClickException(f"{len(missing)} events have not been seen")


def _report(outcome: Outcome) -> None:
    gone = {each.subject for each in outcome.gone}
    for each in outcome.orphans:
        click.echo(orjson.dumps({**asdict(each), "gone": each.subject in gone}))
    click.echo(
        f"{len(outcome.orphans)} events are void, {len(gone)} aggregates are gone, "
        f"{outcome.told} were told of anew",
        err=True,
    )


@click.command()
@click.argument("files", type=click.File(), nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Only list them.")
@click.option(
    "--gap",
    type=click.IntRange(0),
    default=1000,
    show_default=True,
    help="Numbers of documents to leave out, for those that nobody has seen.",
)
@by_option
def reconcile(files: Sequence[Any], dry_run: bool, gap: int, by: str) -> None:
    """Make right what others saw of this service that it does not know, having been restored.

    FILES are what `events seen --from THIS_SERVICE` printed at each of its consumers. The events
    that are void are listed, a JSON object a line; of what is "gone" people may want to know.
    """
    service = current_service()
    told = list(_lines(files))
    if dry_run:
        with service.database.reading() as session:
            _report(service.reconciliation.survey(session, told))
        return
    with service.database.transaction() as session, acting(Origin(actor=operator(by))):
        outcome = service.reconciliation.reconcile(session, told, gap=gap)
    _report(outcome)
