"""What commands are told in the same words."""

from __future__ import annotations

import getpass
from datetime import datetime
from typing import Any

import click

from crm_chassis.replay import Cursor

by_option = click.option(
    "--by", default=getpass.getuser, help="Who does it, for the log of acts; the system's user."
)
types_option = click.option(
    "--type", "types", multiple=True, help="Of this type alone; repeatable."
)


class Instant(click.ParamType[datetime]):
    name = "RFC3339"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        try:
            instant = datetime.fromisoformat(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if instant.tzinfo is None:
            self.fail(f"{value} has no zone, like Z or +08:00", param, ctx)
        return instant


class AfterCursor(click.ParamType[Cursor]):
    name = "CURSOR"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Cursor:
        try:
            return Cursor.parse(value)
        except ValueError as error:
            self.fail(f"no cursor of a replay: {error}", param, ctx)


INSTANT = Instant()
CURSOR = AfterCursor()
