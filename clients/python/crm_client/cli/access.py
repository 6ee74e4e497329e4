"""Signing in and out, and the client that every other command works with."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from typing import Any

import click

from crm_client.cli import output
from crm_client.client import Client
from crm_client.tokens import ClientGrant, Grant, PasswordGrant, TokenStore


def signed_in(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give the command a client, as its first argument."""

    @click.pass_context
    @functools.wraps(command)
    def with_client(ctx: click.Context, *args: Any, **options: Any) -> Any:
        return ctx.invoke(command, _client(ctx.obj), *args, **options)

    return with_client


def _client(url: str | None) -> Client:
    store = TokenStore()
    url = url or store.current()
    if not url:
        raise click.UsageError("Which platform? Sign in with `crm login URL`, or set CRM_URL.")
    grant = _grant(
        *(os.environ.get(f"CRM_{name}") for name in ("EMAIL", "PASSWORD")),
        *(os.environ.get(f"CRM_{name}") for name in ("CLIENT_ID", "CLIENT_SECRET")),
    )
    return _connect(url, grant) if grant else _connect(url, store=store)


def _connect(url: str, grant: Grant | None = None, store: TokenStore | None = None) -> Client:
    try:
        return Client(url, grant=grant, store=store)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _grant(
    email: str | None, password: str | None, client_id: str | None, client_secret: str | None
) -> Grant | None:
    if client_id and client_secret:
        return ClientGrant(client_id, client_secret)
    if email and password:
        return PasswordGrant(email, password)
    return None


@click.command()
@click.argument("url", envvar="CRM_URL")
@click.option("--email", envvar="CRM_EMAIL", help="Sign in as a person (asked for when missing).")
@click.option("--password", envvar="CRM_PASSWORD", help="Asked for when missing.")
@click.option("--client-id", envvar="CRM_CLIENT_ID", help="Sign in as an API client.")
@click.option("--client-secret", envvar="CRM_CLIENT_SECRET", help="Asked for when missing.")
def login(
    url: str,
    email: str | None,
    password: str | None,
    client_id: str | None,
    client_secret: str | None,
) -> None:
    """Sign in at URL, and stay so: the tokens are kept where only you can read them."""
    if client_id:
        client_secret = client_secret or click.prompt("Client secret", hide_input=True)
    else:
        email = email or click.prompt("Email")
        password = password or click.prompt("Password", hide_input=True)
    grant = _grant(email, password, client_id, client_secret)
    if grant is None:
        raise click.UsageError("Neither --email and --password nor --client-id are given.")
    store = TokenStore()
    _connect(url, store=store).sign_in(grant)
    click.echo(f"Signed in at {url}. Tokens are kept in {store.path}.")


@click.command()
@signed_in
def logout(client: Client) -> None:
    """Give the sign-in back, and forget it."""
    client.sign_out()
    click.echo(f"Signed out of {client.base_url}.")


@click.command()
@signed_in
def whoami(client: Client) -> None:
    """Show who you are to the platform, and what you may do."""
    output.fields(client.get("/api/identity/v1/me"))
