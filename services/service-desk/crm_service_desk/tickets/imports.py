"""Tickets out of a file: each row says a ticket as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.calendar import start_of
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_service_desk import events, replicas
from crm_service_desk.tickets import commands
from crm_service_desk.tickets.models import DONE, Ticket

_DAYS = ("opened_on", "resolved_on", "closed_on")


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert tickets; without an assignee they wait with the team of who imports them."""
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "contact", "contact_id", replicas.contacts)
    resolve_owner(session, rows, "assignee")
    for row in rows:
        _check(row)
    opened: list[Ticket] = []

    def create(session: Session, values: dict[str, Any]) -> Ticket:
        values = {"team_id": principal.team_id} | values | _dates(session, values)
        opened.append(commands.build(session, values))
        return opened[-1]

    upsert(session, Ticket, key, rows, create=create, change=_change)
    commands.give_numbers(session, opened)


def _check(row: Row) -> None:
    values = row.values
    status = values["status"]
    if status == "resolved" and "resolved_on" not in values:
        row.refuse("resolved_on", "A resolved ticket needs the day it was resolved.")
    if status == "closed" and "closed_on" not in values:
        row.refuse("closed_on", "A closed ticket needs the day it was closed.")
    if status not in DONE and "resolved_on" in values:
        row.refuse("resolved_on", f"A ticket that is {status} has no such day.")
    if status != "closed" and "closed_on" in values:
        row.refuse("closed_on", f"A ticket that is {status} has no such day.")
    for first, then in combinations(_DAYS, 2):
        if first in values and then in values and values[then] < values[first]:
            row.refuse(then, f"Before {first}, {values[first]}.")


def _change(session: Session, ticket: Ticket, values: dict[str, Any]) -> bool:
    status, rest = values["status"], values | _dates(session, values, ticket)
    del rest["status"]
    different = change_fields(ticket, rest)
    if status != ticket.status:
        commands.moved(session, ticket, ticket.place(status))
        return True
    if different:
        events.ticket_changed(session, ticket)
    return different


def _dates(
    session: Session, values: dict[str, Any], ticket: Ticket | None = None
) -> dict[str, Any]:
    """A row's days and the moments that go with them.

    Of a day that the ticket has already its moment is kept; any other is told as its first one, as
    the file knows no better.
    """
    opened_on, resolved_on = values["opened_on"], values.get("resolved_on")
    opened_at, resolved_at = start_of(session, opened_on), None
    if ticket is not None and ticket.opened_on == opened_on:
        opened_at = ticket.opened_at
    if ticket is not None and ticket.resolved_on == resolved_on:
        resolved_at = ticket.resolved_at
    elif resolved_on is not None:
        resolved_at = max(opened_at, start_of(session, resolved_on))
    return {
        "opened_on": opened_on,
        "opened_at": opened_at,
        "resolved_on": resolved_on,
        "resolved_at": resolved_at,
        "closed_on": values.get("closed_on"),
    }
