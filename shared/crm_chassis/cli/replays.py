"""Sending events again, and taking them again."""

from __future__ import annotations

import signal
import threading
from datetime import datetime

import click

from crm_chassis.broker import BrokerAway
from crm_chassis.cli.options import CURSOR, INSTANT, by_option, types_between, types_option
from crm_chassis.database import utc_now
from crm_chassis.operations import forgetting
from crm_chassis.operations.administration import operator, record_act
from crm_chassis.operations.replay import Cursor, Replay, Selection, count
from crm_chassis.operations.replay_jobs import ask_for, described
from crm_chassis.operations.replays_api import MOST_PER_SECOND
from crm_chassis.web import current_service


@click.command()
@click.option("--to", "consumer", required=True, help="The one service that gets them.")
@click.option("--since", type=INSTANT, required=True, help="Recorded then or later.")
@click.option("--until", type=INSTANT, help="Recorded before; now by default.")
@types_option
@click.option("--subject", help="Of this aggregate alone.")
@click.option("--per-second", type=click.IntRange(1, MOST_PER_SECOND), help="No more than that.")
@click.option("--after", type=CURSOR, help="Go on where an earlier run ended.")
@by_option
def replay(
    consumer: str,
    since: datetime,
    until: datetime | None,
    types: tuple[str, ...],
    subject: str | None,
    per_second: int | None,
    after: Cursor | None,
    by: str,
) -> None:
    """Send events of the log to one consumer again, in the order of recording.

    Where the broker is in the process of the service, that process is asked to do it.
    """
    service = current_service()
    wanted = types_between(service, service.name, consumer, types)
    selection = Selection(
        consumer=consumer, since=since, until=until or utc_now(), types=wanted, subject=subject
    )
    with service.database.transaction() as session:
        if service.settings.embedded:
            job_id = ask_for(session, selection, per_second, operator(by))
            click.echo(f"queued for the running process as replay {job_id}")
            return
        total = count(session, selection, after)
        record_act(session, "events.replay", consumer, described(selection), actor=operator(by))
    one = Replay(
        service.name,
        service.database,
        service.broker,
        selection,
        after=after,
        per_second=per_second,
    )
    _run(one, total)


def _run(replay: Replay, total: int) -> None:
    """Replay, telling how far it is; SIGINT and SIGTERM end it after the batch under way."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def tell() -> bool:
        click.echo(f"{replay.published} of {total}, up to {replay.cursor}")
        return True

    try:
        ended = replay.run(stop, tell)
    except BrokerAway as error:
        raise click.ClickException(f"{error}\n{_how_to_go_on(replay)}") from None
    if not ended:
        raise click.ClickException(f"interrupted\n{_how_to_go_on(replay)}")
    click.echo(f"replayed {replay.published}")


def _how_to_go_on(replay: Replay) -> str:
    return f"go on with: --after {replay.cursor}" if replay.cursor else "nothing was replayed"


@click.command()
@click.option("--from", "producer", required=True, help="The service whose events these are.")
@click.option("--since", type=INSTANT, required=True, help="Received then or later.")
@types_option
@click.option("--dry-run", is_flag=True, help="Only count them.")
@by_option
def forget(producer: str, since: datetime, types: tuple[str, ...], dry_run: bool, by: str) -> None:
    """Forget having seen events, so that a replay has its effects again."""
    service = current_service()
    if service.archives:
        raise click.ClickException(
            f"{service.name} archives what it takes, and forgets none of it: "
            "what it has not got it takes from a replay, and what it has it rebuilds from."
        )
    wanted = types_between(service, producer, service.name, types)
    found = forgetting.forget(service.database, wanted, since, actor=operator(by), dry_run=dry_run)
    click.echo(
        f"{'would forget' if dry_run else 'forgot'} {found.marks}"
        f" ({found.untyped} of no known type), kept {found.kept} parked or discarded"
    )
