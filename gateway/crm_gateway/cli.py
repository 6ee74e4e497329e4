"""The gateway's commands beside those of every service."""

from __future__ import annotations

import click
from flask import Flask

from crm_gateway.first_start import first_start
from crm_gateway.parts import current_gateway


def register(app: Flask) -> None:
    """Add the commands to the application."""
    app.cli.add_command(init)
    app.cli.add_command(rotate_keys)


@click.command()
def init() -> None:
    """Make the first roles, the root team and the administrator, unless they are there."""
    gateway = current_gateway()
    made = first_start(gateway.database, gateway.settings)
    if made is None:
        click.echo("There is an administrator already.")
    elif gateway.settings.admin_password:
        click.echo(f"Administrator: {made.email}")
    else:
        click.echo(f"Administrator: {made.email} / {made.password}")


@click.command()
def rotate_keys() -> None:
    """Sign tokens with a new key from now on; those signed before stay good."""
    click.echo(f"Signing with {current_gateway().keys.rotate()}")
