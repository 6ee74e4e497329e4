"""``flask --app crm_reporting.app projections rebuild|verify``"""

from __future__ import annotations

import click
import orjson
from flask.cli import AppGroup

from crm_chassis.web import current_service
from crm_reporting.projections.archive import Archive, UnderWay
from crm_reporting.projections.jobs import plain

projections = AppGroup("projections", help="Fold the archived events again.")


def _archive() -> Archive:
    service = current_service()
    return Archive(service.database, service.settings.zone)


@projections.command()
def rebuild() -> None:
    """Replace the projections with what the archive gives, beside the running workers."""
    try:
        click.echo(f"{_archive().rebuild()} events folded")
    except UnderWay:
        raise click.ClickException("another rebuild or verification is under way") from None


@projections.command()
def verify() -> None:
    """Compare the projections with what the archive gives: each difference a JSON line, exit 1."""
    count = 0
    try:
        for difference in _archive().verify():
            click.echo(orjson.dumps(plain(difference)))
            count += 1
    except UnderWay:
        raise click.ClickException("another rebuild or verification is under way") from None
    if count:
        raise click.ClickException(f"{count} rows differ")
    click.echo("the projections are what the archive gives")
