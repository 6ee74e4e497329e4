"""Tickets as requests and answers have them."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Instant, Reference, Text
from crm_service_desk.tickets.models import MOVES, PRIORITIES, STATUSES, TYPES

_TYPE = validate.OneOf(TYPES)
_PRIORITY = validate.OneOf(PRIORITIES)
_STATUS = validate.OneOf(STATUSES)
_LONGEST_TEXT = 20_000


class TicketFields(Schema):
    """What a client says of a ticket."""

    external_id = Text(200, allow_none=True)
    subject = Text(500, required=True)
    description = Text(_LONGEST_TEXT, allow_none=True)
    type = fields.String(required=True, validate=_TYPE)
    priority = fields.String(validate=_PRIORITY)
    channel = Text(64, allow_none=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    assignee_id = Reference(allow_none=True)


class TicketView(TicketFields):
    """A ticket as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    number = fields.String(dump_only=True)
    status = fields.String(dump_only=True, validate=_STATUS)
    status_since = Instant(dump_only=True)
    account_name = fields.String(dump_only=True, allow_none=True)
    contact_name = fields.String(dump_only=True, allow_none=True)
    team_id = Reference(dump_only=True, allow_none=True)
    opened_on = fields.Date(dump_only=True)
    opened_at = Instant(dump_only=True)
    first_replied_at = Instant(dump_only=True, allow_none=True)
    resolved_on = fields.Date(dump_only=True, allow_none=True)
    resolved_at = Instant(dump_only=True, allow_none=True)
    closed_on = fields.Date(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class TicketMove(Schema):
    """Where a ticket goes."""

    status = fields.String(
        required=True, validate=validate.OneOf(sorted(set().union(*MOVES.values())))
    )


class NothingMore(Schema):
    """The body of a command that needs no further word."""


class NewReply(Schema):
    """A reply: public for the customer to read, else a note among colleagues."""

    public = fields.Boolean(required=True)
    body = Text(_LONGEST_TEXT, required=True)


class ReplyView(NewReply):
    """A reply as stored."""

    id = Reference(dump_only=True)
    author_id = fields.String(dump_only=True)
    by_person = fields.Boolean(dump_only=True)
    created_at = Instant(dump_only=True)


class StatusEntryView(Schema):
    """One line of the status log."""

    from_status = fields.String(allow_none=True)
    to_status = fields.String()
    seconds = fields.Integer(allow_none=True)
    entered_at = Instant()
    actor = fields.String()


class TicketRow(Schema):
    """A ticket as a row of a file has it.

    Account, contact and assignee go by external id or name. The row says the ticket as it stands,
    with the days on which it was opened, resolved and closed.
    """

    external_id = Text(200)
    subject = Text(500, required=True)
    description = Text(_LONGEST_TEXT)
    type = fields.String(required=True, validate=_TYPE)
    priority = fields.String(validate=_PRIORITY)
    channel = Text(64)
    status = fields.String(required=True, validate=_STATUS)
    account = Text(200)
    contact = Text(200)
    assignee = Text(200)
    opened_on = fields.Date(required=True)
    resolved_on = fields.Date()
    closed_on = fields.Date()
