"""What service desk publishes: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_service_desk.tickets.models import StatusChange, Ticket


def _day(value: date | None) -> str | None:
    return None if value is None else value.isoformat()


def ticket_state(ticket: Ticket) -> dict[str, Any]:
    """A ticket without its description and replies, which stay with this service."""
    return {
        "id": ticket.id,
        "external_id": ticket.external_id,
        "number": ticket.number,
        "subject": ticket.subject,
        "type": ticket.type,
        "priority": ticket.priority,
        "channel": ticket.channel,
        "status": ticket.status,
        "account_id": ticket.account_id,
        "contact_id": ticket.contact_id,
        "assignee_id": ticket.assignee_id,
        "team_id": ticket.team_id,
        "opened_on": _day(ticket.opened_on),
        "opened_at": instant_text(ticket.opened_at),
        "first_replied_at": instant_text(ticket.first_replied_at),
        "resolved_on": _day(ticket.resolved_on),
        "resolved_at": instant_text(ticket.resolved_at),
        "closed_on": _day(ticket.closed_on),
    }


def ticket_opened(session: Session, ticket: Ticket) -> None:
    record(session, "crm.service-desk.ticket.opened.v1", ticket, ticket_state)


def ticket_changed(session: Session, ticket: Ticket) -> None:
    record(session, "crm.service-desk.ticket.changed.v1", ticket, ticket_state)


def ticket_moved(session: Session, ticket: Ticket, change: StatusChange) -> None:
    """``resolved``, ``reopened``, ``closed`` or ``status_changed``, after what the move means."""
    record(
        session,
        f"crm.service-desk.ticket.{change.kind}.v1",
        ticket,
        ticket_state,
        change={
            "from_status": change.from_status,
            "to_status": change.to_status,
            "seconds_in_status": change.seconds,
        },
    )
