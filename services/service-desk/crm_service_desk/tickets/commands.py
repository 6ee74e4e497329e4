"""What can be done with tickets."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.context import current_origin
from crm_chassis.database import new_id, utc_now
from crm_service_desk import events
from crm_service_desk.tickets.models import Reply, StatusChange, StatusEntry, Ticket, TicketNumber

WRITE = "service-desk.tickets.write"


def open_ticket(
    session: Session, principal: Principal, values: dict[str, Any], today: date
) -> Ticket:
    """Open a ticket; it is worked on by the given assignee, or else by the user who opens it."""
    ticket = build(session, {"opened_on": today, "team_id": principal.team_id} | values)
    give_numbers(session, [ticket])
    _assign(session, ticket, values.get("assignee_id", default_owner(principal)))
    return ticket


def build(session: Session, values: dict[str, Any]) -> Ticket:
    """A new ticket, to which :func:`give_numbers` is still to give its number."""
    now = utc_now()
    defaults = {
        "id": new_id(),
        "priority": "normal",
        "status": "new",
        "status_since": now,
        "opened_at": now,
    }
    ticket = Ticket(**defaults | values)
    session.add(ticket)
    _log(session, ticket, None)
    events.ticket_opened(session, ticket)
    return ticket


def give_numbers(session: Session, tickets: Sequence[Ticket]) -> None:
    """Number new tickets, with one statement for all of them."""
    if not tickets:
        return
    statement = insert(TicketNumber).returning(TicketNumber.serial, sort_by_parameter_order=True)
    serials = session.scalars(statement, [{"ticket_id": ticket.id} for ticket in tickets])
    for ticket, serial in zip(tickets, serials, strict=True):
        ticket.number = TicketNumber.text(ticket.opened_on.year, serial)


def _assign(session: Session, ticket: Ticket, assignee_id: str | None) -> None:
    """Give a ticket to a user, and so to the user's team; to nobody: the team keeps it."""
    if assignee_id is None:
        ticket.assignee_id = None
    else:
        assign(session, ticket, assignee_id, WRITE, "assignee_id")


def change(session: Session, ticket: Ticket, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new assignee brings a new team.

    :returns: False when they were so already; then nothing is told.
    """
    if "assignee_id" in changes and changes["assignee_id"] != ticket.assignee_id:
        _assign(session, ticket, changes["assignee_id"])
        change_fields(ticket, changes)
    elif not change_fields(ticket, changes):
        return False
    events.ticket_changed(session, ticket)
    return True


def move(session: Session, ticket: Ticket, to_status: str) -> None:
    """Move a ticket to another status in which it is worked on or waits."""
    moved(session, ticket, ticket.move(to_status))


def resolve(session: Session, ticket: Ticket, today: date) -> None:
    """Say that a ticket is solved."""
    moved(session, ticket, ticket.resolve(today))


def reopen(session: Session, ticket: Ticket) -> None:
    """Take up a resolved ticket again."""
    moved(session, ticket, ticket.reopen())


def close(session: Session, ticket: Ticket, today: date) -> None:
    """Be done with a resolved ticket for good."""
    moved(session, ticket, ticket.close(today))


def moved(session: Session, ticket: Ticket, change: StatusChange) -> None:
    """Log and tell of a move."""
    _log(session, ticket, change)
    events.ticket_moved(session, ticket, change)


def _log(session: Session, ticket: Ticket, change: StatusChange | None) -> None:
    origin = current_origin()
    session.add(
        StatusEntry(
            ticket=ticket,
            from_status=change.from_status if change else None,
            to_status=ticket.status,
            seconds=change.seconds if change else None,
            entered_at=ticket.status_since,
            actor=origin.actor if origin else "service-desk",
        )
    )


def reply(session: Session, principal: Principal, ticket: Ticket, values: dict[str, Any]) -> Reply:
    """Reply to a ticket.

    :param ticket: locked, so that of two first replies at once the earlier one counts.
    :raises Problem: 409 when the ticket is closed.
    """
    written = Reply(
        id=new_id(),
        ticket=ticket,
        author_id=principal.id,
        by_person=principal.kind == "user",
        created_at=utc_now(),
        **values,
    )
    if ticket.take_reply(written):
        events.ticket_changed(session, ticket)
    session.add(written)
    return written
