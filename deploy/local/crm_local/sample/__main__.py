"""``python -m crm_local.sample http://localhost:8080``: the sample company, taken in by a platform
that runs, in containers or elsewhere. Once more for the same day goes on with what is missing.
"""

from __future__ import annotations

import sys
import threading
from datetime import UTC, datetime

import click

from crm_client.client import Client
from crm_client.errors import CrmError
from crm_client.tokens import PasswordGrant
from crm_local.sample.company import make_sample
from crm_local.sample.fill import Incomplete, fill


@click.command()
@click.argument("address")
@click.option("--email", default="admin@example.com", show_default=True, envvar="ADMIN_EMAIL")
@click.option("--password", default="first-sign-in", envvar="ADMIN_PASSWORD")
@click.option("--day", type=click.DateTime(["%Y-%m-%d"]), help="As of which; today when not given.")
def main(address: str, email: str, password: str, day: datetime | None) -> None:
    """Bring the sample company in at ADDRESS, as an administrator."""
    on = (day or datetime.now(UTC)).date()

    def show(done: int, total: int) -> None:
        print(f"\rThe sample company as of {on} comes in: {100 * done // total} %", end="")

    try:
        client = Client(address, grant=PasswordGrant(email, password))
        fill(client, make_sample(on), threading.Event(), show)
    except (CrmError, Incomplete) as error:
        print(f"\nIt is not complete; go on with --day {on}.\n{error}", file=sys.stderr)
        sys.exit(1)
    print()


if __name__ == "__main__":
    main()
