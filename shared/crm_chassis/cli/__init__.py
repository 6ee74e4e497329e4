"""The commands of every service: ``flask --app crm_sales.app api|worker|migrate|events ...``."""

from __future__ import annotations

import click
from flask import Flask

from crm_chassis.cli.parked import dead, discard, parked, redrive
from crm_chassis.cli.processes import api, migrate, tidy, worker
from crm_chassis.cli.replays import forget, replay
from crm_chassis.cli.restored import reconcile, seen, unseen
from crm_chassis.cli.topology import declare, definitions


@click.group()
def events() -> None:
    """Parked events, replays, what is left after a restore, and the broker's topology."""


for _command in (
    parked,
    redrive,
    discard,
    dead,
    replay,
    forget,
    seen,
    unseen,
    reconcile,
    declare,
    definitions,
):
    events.add_command(_command)


def register(app: Flask) -> None:
    """Add the commands to the application."""
    for command in (api, worker, migrate, tidy, events):
        app.cli.add_command(command)
