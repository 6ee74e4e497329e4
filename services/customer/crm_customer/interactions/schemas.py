"""Interactions as requests and answers have them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from marshmallow import Schema, ValidationError, fields, validate

from crm_chassis.auth import current_principal
from crm_chassis.fields import Email, Instant, ListCell, Reference, Text
from crm_customer.interactions.models import DIRECTIONS, KINDS

CONTENT_RIGHT = "customer.interactions.content"

_MASK = "****"
_LONGEST_TEXT = 100_000
_LONGEST_SECONDS = 7 * 86_400
_MOST_PEOPLE = validate.Length(max=200)
_SECONDS = validate.Range(0, _LONGEST_SECONDS)


class Content(Text):
    """A text that only those with the right to what was said may read."""

    def __init__(self, longest: int, **kwargs: Any) -> None:
        super().__init__(longest, metadata={"x-right": CONTENT_RIGHT}, **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> str | None:
        if value is None or current_principal().may(CONTENT_RIGHT):
            return super()._serialize(value, attr, obj, **kwargs)
        return _MASK


class Address(Content):
    """Who sends or is written to: an e-mail address."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(254, **kwargs)
        self._email = Email()

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text = super()._deserialize(value, attr, data, **kwargs)
        return self._email.deserialize(text, attr, data)


def _people() -> fields.List[str]:
    return fields.List(Content(200), attribute="participants", validate=_MOST_PEOPLE)


class EmailDetails(Schema):
    """An e-mail."""

    sender = Address(data_key="from", allow_none=True)
    participants = fields.List(Address(), data_key="to", validate=_MOST_PEOPLE)
    subject = Content(500, allow_none=True)
    body = Content(_LONGEST_TEXT, attribute="text", allow_none=True)
    sent_at = Instant(attribute="occurred_at", required=True)
    message_id = Content(500, attribute="reference", allow_none=True)
    opened_at = Instant(allow_none=True)
    replied_at = Instant(allow_none=True)


class CallDetails(Schema):
    """A telephone call; of one that nobody took ``seconds`` is 0."""

    parties = _people()
    started_at = Instant(attribute="occurred_at", required=True)
    seconds = fields.Integer(strict=True, allow_none=True, validate=_SECONDS)
    log = Content(_LONGEST_TEXT, attribute="text", allow_none=True)
    recording_ref = Content(500, attribute="reference", allow_none=True)


class ChatDetails(Schema):
    """A chat."""

    parties = _people()
    started_at = Instant(attribute="occurred_at", required=True)
    ended_at = Instant(allow_none=True)
    text = Content(_LONGEST_TEXT, required=True, allow_none=True)


class MeetingDetails(Schema):
    """A meeting."""

    topic = Content(500, attribute="subject", allow_none=True)
    attendees = _people()
    starts_at = Instant(attribute="occurred_at", required=True)
    ends_at = Instant(attribute="ended_at", allow_none=True)
    minutes = Content(_LONGEST_TEXT, attribute="text", allow_none=True)


class VisitDetails(Schema):
    """A visit; its photos are attachments."""

    place = Content(500, allow_none=True)
    visited_at = Instant(attribute="occurred_at", required=True)
    notes = Content(_LONGEST_TEXT, attribute="text", allow_none=True)


DETAILS: Mapping[str, Schema] = {
    "email": EmailDetails(),
    "call": CallDetails(),
    "chat": ChatDetails(),
    "meeting": MeetingDetails(),
    "visit": VisitDetails(),
}
"""Kind of interaction to what is said of it."""


def details_schema(partial: bool) -> dict[str, Any]:
    """One of the kinds' details, for the OpenAPI document."""
    plugin = MarshmallowPlugin()
    APISpec("details", "1", "3.1.0", plugins=[plugin])
    assert plugin.converter is not None, "the specification has given it one"
    options = []
    for kind, schema in DETAILS.items():
        option = {"title": type(schema).__name__, **plugin.converter.schema2jsonschema(schema)}
        option["description"] = f"Where `kind` is {kind}."
        option["additionalProperties"] = False
        if partial:
            option.pop("required", None)
        options.append(option)
    # What is required tells the kinds apart; where nothing is, several may fit.
    return {"type": "object", "anyOf" if partial else "oneOf": options}


class Details(fields.Field[Any]):
    """What is said of an interaction, by its kind; checked where the kind is known."""

    _CHECK_ATTRIBUTE = False  # it is made of the whole interaction

    def __init__(self, *, partial: bool = False, **kwargs: Any) -> None:
        super().__init__(metadata=details_schema(partial), **kwargs)

    def _serialize(self, value: Any, attr: str | None, obj: Any, **kwargs: Any) -> Any:
        return DETAILS[obj.kind].dump(obj)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if not isinstance(value, dict):
            raise ValidationError("Not an object.")
        return value


def load_details(kind: str, details: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """The columns of an interaction that its details fill.

    :raises ValidationError: with messages by field, below ``details``.
    """
    try:
        return dict(DETAILS[kind].load(details, partial=partial))
    except ValidationError as error:
        raise ValidationError({"details": error.messages}) from None


class InteractionChanges(Schema):
    """What of an interaction can be changed later. Of ``details`` what is not named stays."""

    external_id = Text(200, allow_none=True)
    direction = fields.String(validate=validate.OneOf(DIRECTIONS))
    channel = Text(30, metadata={"description": "The kind, unless you say it more precisely."})
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    outcome = Text(100, allow_none=True)
    owner_id = Reference(allow_none=True)
    details = Details(partial=True)


class InteractionFields(InteractionChanges):
    """What a client says of an interaction."""

    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    details = Details(required=True)


class InteractionView(InteractionFields):
    """An interaction as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)
    occurred_at = Instant(dump_only=True)
    occurred_on = fields.Date(dump_only=True)
    seconds = fields.Integer(dump_only=True, allow_none=True)
    replied = fields.Function(lambda row: row.replied_at is not None, metadata={"type": "boolean"})
    opened = fields.Function(lambda row: row.opened_at is not None, metadata={"type": "boolean"})
    attachments = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class InteractionCells(Schema):
    """An interaction as a row of a file has it: a column for what its kind calls otherwise."""

    external_id = Text(200)
    kind = fields.String(required=True, validate=validate.OneOf(KINDS))
    direction = fields.String(validate=validate.OneOf(DIRECTIONS))
    channel = Text(30)
    outcome = Text(100)
    occurred_at = Instant(required=True)
    ended_at = Instant()
    seconds = fields.Integer(validate=_SECONDS)
    subject = Content(500)
    text = Content(_LONGEST_TEXT)
    sender = Content(254)
    participants = ListCell(Content(200), validate=_MOST_PEOPLE)
    reference = Content(500)
    place = Content(500)
    opened_at = Instant()
    replied_at = Instant()


class InteractionRow(InteractionCells):
    """The same to be imported; account, contact and owner go by external id or name."""

    account = Text(200)
    contact = Text(200)
    owner = Text(200)


class InteractionExport(InteractionCells):
    """The same as it is exported."""

    id = Reference()
    account_id = Reference()
    contact_id = Reference()
    owner_id = Reference()
    participants = fields.List(Content(200))
    attachments = fields.Integer()


class UseFigures(Schema):
    """How often there was contact with a customer, and what came back."""

    count = fields.Integer()
    last_at = Instant(allow_none=True)
    mean_gap_days = fields.Float(
        allow_none=True,
        metadata={"description": "From one interaction to the next; null below two."},
    )
    reply_rate = fields.Float(
        allow_none=True,
        metadata={"description": "Sent e-mails that were answered / sent; null without any."},
    )
    open_rate = fields.Float(
        allow_none=True,
        metadata={"description": "Sent e-mails that were opened / sent; null without any."},
    )
    mean_call_seconds = fields.Float(
        allow_none=True,
        metadata={"description": "Of the calls that were taken, and whose length is known."},
    )


class ChannelFigures(UseFigures):
    """The same of one channel."""

    channel = fields.String()


class InteractionFigures(Schema):
    """How a customer was contacted, and what came of it."""

    channels = fields.List(fields.Nested(ChannelFigures))
    total = fields.Nested(UseFigures)
    within_days = fields.Integer()
    order_conversion = fields.Float(
        allow_none=True,
        metadata={"description": "Interactions after which an order came within so many days."},
    )
    win_conversion = fields.Float(
        allow_none=True,
        metadata={"description": "Interactions after which a deal was won within so many days."},
    )


class FiguresQuery(Schema):
    within_days = fields.Integer(load_default=30, validate=validate.Range(1, 365))
