"""What commands are told in the same words."""

from __future__ import annotations

import getpass
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from crm_chassis.operations.replay import CannotReplay, Cursor, types_for

if TYPE_CHECKING:
    from crm_chassis.service import Service

by_option = click.option(
    "--by", default=getpass.getuser, help="Who does it, for the log of acts; the system's user."
)
types_option = click.option(
    "--type", "types", multiple=True, help="Of this type alone; repeatable."
)


def types_between(
    service: Service, producer: str, consumer: str, types: Collection[str] = ()
) -> tuple[str, ...]:
    """The types that one service tells another; those asked for, or all.

    :raises ClickException: when there is none, or not the one asked for.
    """
    try:
        return types_for(service.catalogue, producer, consumer, types)
    except CannotReplay as error:
        raise click.ClickException(str(error)) from None


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
