"""The ``crm`` command."""

from __future__ import annotations

import logging
from typing import Any

import click

from crm_client.cli import access, acts, events, parked, reads, transfer
from crm_client.errors import CrmError


class _Commands(click.Group):
    """Shows a failed request as one message instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except CrmError as error:
            raise click.ClickException(str(error)) from error


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--url", envvar="CRM_URL", help="Address of the platform; else the last login's.")
@click.version_option(package_name="crm-client")
@click.pass_context
def main(ctx: click.Context, url: str | None) -> None:
    """Work with the CRM platform from a shell.

    Sign in once with `crm login URL`; or set CRM_URL with CRM_EMAIL and CRM_PASSWORD, or with
    CRM_CLIENT_ID and CRM_CLIENT_SECRET, and nothing is stored.

    Exit codes: 0 done, 1 refused or failed, 2 wrong usage, 3 rows of an import failed,
    130 interrupted.
    """
    logging.getLogger("urllib3").setLevel(logging.ERROR)  # it warns of each repeated request
    ctx.obj = url


for command in (
    access.login,
    access.logout,
    access.whoami,
    reads.get,
    reads.list_,
    reads.kpis,
    reads.kpi,
    transfer.import_,
    transfer.export,
    events.events,
    parked.parked,
    acts.acts,
):
    main.add_command(command)
