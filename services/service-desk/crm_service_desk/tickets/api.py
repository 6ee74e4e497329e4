"""``/v1/tickets``"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Filter, Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_service_desk.tickets import commands, queries
from crm_service_desk.tickets.imports import import_rows
from crm_service_desk.tickets.models import Reply, StatusEntry, Ticket
from crm_service_desk.tickets.schemas import (
    NewReply,
    NothingMore,
    ReplyView,
    StatusEntryView,
    TicketFields,
    TicketMove,
    TicketRow,
    TicketView,
)

READ, WRITE = "service-desk.tickets.read", commands.WRITE

LISTING = Listing(
    Ticket,
    sorts={"created_at": Ticket.created_at, "opened_at": Ticket.opened_at},
    default="-created_at",
    filters={
        "status": equals(Ticket.status),
        "type": equals(Ticket.type),
        "priority": equals(Ticket.priority),
        "channel": equals(Ticket.channel),
        "account_id": equals(Ticket.account_id, Reference),
        "contact_id": equals(Ticket.contact_id, Reference),
        "assignee_id": equals(Ticket.assignee_id, Reference),
        "assigned": Filter(
            fields.Boolean(), lambda assigned: Ticket.assignee_id.is_not(None) == assigned
        ),
        "team_id": equals(Ticket.team_id, Reference),
        "external_id": equals(Ticket.external_id),
        "number": equals(Ticket.number),
        "opened_on_from": at_least(Ticket.opened_on, fields.Date),
        "opened_on_to": at_most(Ticket.opened_on, fields.Date),
        "resolved_on_from": at_least(Ticket.resolved_on, fields.Date),
        "resolved_on_to": at_most(Ticket.resolved_on, fields.Date),
    },
    search=[Ticket.number, Ticket.subject, Ticket.description],
)

REPLIES = Listing(
    Reply,
    sorts={"created_at": Reply.created_at},
    default="created_at",
    filters={"public": equals(Reply.public, fields.Boolean)},
)

blueprint = Blueprint("tickets", __name__, url_prefix="/v1/tickets", description="Tickets")


def _visible_tickets() -> Select[tuple[Ticket]]:
    return visible(select(Ticket), Ticket, READ)


def _to_change(session: Session, ticket_id: object) -> Ticket:
    return visible_to_change(session, Ticket, ticket_id, WRITE)


@blueprint.route("")
class Tickets(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(TicketView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Ticket]:
        """List tickets."""
        return LISTING.page(session, _visible_tickets(), query)

    @writes(WRITE)
    @blueprint.arguments(TicketFields)
    @blueprint.response(201, TicketView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Open a ticket."""
        opened = commands.open_ticket(session, current_principal(), values, business_day())
        return versioned(session, opened)


@blueprint.route("/<uuid:ticket_id>")
class TicketById(MethodView):
    @reads(READ)
    @blueprint.response(200, TicketView)
    def get(self, ticket_id: object, session: Session) -> Any:
        """Read a ticket."""
        return versioned(session, visible_one(session, Ticket, ticket_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(TicketFields))
    @blueprint.response(200, TicketView)
    def patch(self, changes: dict[str, Any], ticket_id: object, session: Session) -> Any:
        """Change a ticket."""
        ticket = _to_change(session, ticket_id)
        commands.change(session, ticket, changes)
        return versioned(session, ticket)


@blueprint.route("/<uuid:ticket_id>/status")
class TicketStatus(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(TicketMove)
    @blueprint.response(200, TicketView)
    def put(self, move: dict[str, Any], ticket_id: object, session: Session) -> Any:
        """Say whether a ticket is worked on or waits."""
        ticket = _to_change(session, ticket_id)
        commands.move(session, ticket, move["status"])
        return versioned(session, ticket)


@blueprint.route("/<uuid:ticket_id>/resolve")
class TicketResolution(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(NothingMore)
    @blueprint.response(200, TicketView)
    def post(self, _body: dict[str, Any], ticket_id: object, session: Session) -> Any:
        """Say that a ticket is solved."""
        ticket = _to_change(session, ticket_id)
        commands.resolve(session, ticket, business_day())
        return versioned(session, ticket)


@blueprint.route("/<uuid:ticket_id>/reopen")
class TicketReopening(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(NothingMore)
    @blueprint.response(200, TicketView)
    def post(self, _body: dict[str, Any], ticket_id: object, session: Session) -> Any:
        """Take up a resolved ticket again."""
        ticket = _to_change(session, ticket_id)
        commands.reopen(session, ticket)
        return versioned(session, ticket)


@blueprint.route("/<uuid:ticket_id>/close")
class TicketClosing(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(NothingMore)
    @blueprint.response(200, TicketView)
    def post(self, _body: dict[str, Any], ticket_id: object, session: Session) -> Any:
        """Be done with a resolved ticket for good."""
        ticket = _to_change(session, ticket_id)
        commands.close(session, ticket, business_day())
        return versioned(session, ticket)


@blueprint.route("/<uuid:ticket_id>/replies")
class TicketReplies(MethodView):
    @reads(READ)
    @blueprint.arguments(REPLIES.schema, location="query")
    @blueprint.response(200, page_schema(ReplyView))
    def get(self, query: dict[str, Any], ticket_id: object, session: Session) -> Page[Reply]:
        """List the replies to a ticket."""
        ticket = visible_one(session, Ticket, ticket_id, READ)
        return REPLIES.page(session, select(Reply).where(Reply.ticket_id == ticket.id), query)

    @writes(WRITE)
    @blueprint.arguments(NewReply)
    @blueprint.response(201, ReplyView)
    def post(self, values: dict[str, Any], ticket_id: object, session: Session) -> Reply:
        """Reply to a ticket, or note something for colleagues."""
        ticket = visible_one(session, Ticket, ticket_id, WRITE, lock=True)
        return commands.reply(session, current_principal(), ticket, values)


@blueprint.route("/<uuid:ticket_id>/status-log")
class TicketStatusLog(MethodView):
    @reads(READ)
    @blueprint.response(200, StatusEntryView(many=True))
    def get(self, ticket_id: object, session: Session) -> Sequence[StatusEntry]:
        """The way of a ticket through its statuses."""
        ticket = visible_one(session, Ticket, ticket_id, READ)
        return queries.status_log(session, ticket.id)


IMPORTER = Importer("tickets", TicketRow, import_rows, WRITE)
EXPORT = Export("tickets", TicketView, LISTING, _visible_tickets, READ)
