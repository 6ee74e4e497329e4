"""The gateway's commands beside those of every service."""

from __future__ import annotations

import click
from flask import Flask

from crm_chassis.cli.options import by_option
from crm_chassis.database import utc_now
from crm_chassis.operations.administration import operator
from crm_gateway.first_start import first_start
from crm_gateway.sign_in.keys import CannotRotate, keys_of, state_of
from crm_gateway.wiring import current_gateway


def register(app: Flask) -> None:
    """Add the commands to the application."""
    app.cli.add_command(init)
    app.cli.add_command(keys)


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


@click.group()
def keys() -> None:
    """The keys that tokens are signed with."""


@keys.command("list")
def list_() -> None:
    """Show the keys with their states, oldest first."""
    now = utc_now()
    with current_gateway().database.reading() as session:
        for key in keys_of(session):
            times = {"active": key.activated_at, "retired": key.retired_at}
            since = times.get(state_of(key, now)) or key.expires_at or key.made_at
            click.echo(f"{key.id} {state_of(key, now)} since {since:%Y-%m-%dT%H:%M:%SZ}")


@keys.command()
@click.option("--at-once", is_flag=True, help="Even if some cannot know the next key yet.")
@by_option
def rotate(at_once: bool, by: str) -> None:
    """Have the next key sign; tokens signed before stay good until they expire."""
    try:
        signs = current_gateway().keys.rotate(operator(by), at_once=at_once)
    except CannotRotate as error:
        raise click.ClickException(f"{error}; or say --at-once") from None
    click.echo(f"Signing with {signs}")


@keys.command()
@click.argument("key_id")
@by_option
def retire(key_id: str, by: str) -> None:
    """Trust a key no longer: for one that got out. Tokens signed with it are refused."""
    try:
        current_gateway().keys.retire(key_id, operator(by))
    except CannotRotate as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Not trusted any more: {key_id}")


@keys.command()
@by_option
def reseal(by: str) -> None:
    """Encrypt the private keys with SEALING_KEY, those too that FORMER_SEALING_KEY opens."""
    click.echo(f"{current_gateway().keys.reseal(operator(by))} keys sealed")
