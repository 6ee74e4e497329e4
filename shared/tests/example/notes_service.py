"""A small service with made-up aggregates and contracts, for the tests of the chassis.

``create_app`` makes the service that the settings name: ``notes`` publishes what happens to notes
and listens to loans; ``library`` listens to notes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from flask import Flask
from flask.views import MethodView
from marshmallow import Schema, fields
from sqlalchemy import (
    CheckConstraint,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Uuid,
    delete,
    insert,
    select,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from crm_chassis.aggregate import (
    Owned,
    Versioned,
    assign,
    change_fields,
    visible_one,
    visible_to_change,
)
from crm_chassis.attachments import Attachable
from crm_chassis.auth import Principal, visible
from crm_chassis.database import NAMING, Amount, Instant, Money, new_id
from crm_chassis.events import Event, Refused, Voided
from crm_chassis.fields import Instant as InstantField
from crm_chassis.fields import MoneyAmount, Phone, Reference, Text, changes_of, decimal_text
from crm_chassis.imports import Importer, Row, upsert
from crm_chassis.imports_api import Export
from crm_chassis.operations.reconcile import Retold
from crm_chassis.outbox import record
from crm_chassis.paging import Listing, Page, Protected, at_least, equals, page_schema
from crm_chassis.processor import Subscriptions
from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_contracts import Catalogue, Contract, catalogue

WRITTEN = "crm.notes.note.written.v1"
CHANGED = "crm.notes.note.changed.v1"
SHREDDED = "crm.notes.note.shredded.v1"
LENT = "crm.library.loan.made.v1"
UNHEARD = "crm.library.loan.forgotten.v1"
VOIDED = "crm.notes.events.voided.v1"


def _contract(event_type: str, consumers: Sequence[str], properties: dict[str, Any]) -> Contract:
    change = {"change": {"type": "object"}}
    required = [name for name in properties if name != "author"]
    example = {
        "id": "0193a000-0000-7000-8000-000000000001",
        "title": "Buy milk",
        "phone": None,
        "price": "0.00",
        "lent": False,
        "note_id": "0193a000-0000-7000-8000-000000000001",
    }
    return Contract(
        type=event_type,
        version=1,
        producer=event_type.split(".")[1],
        consumers=tuple(consumers),
        summary="Made up.",
        schema={
            "type": "object",
            "required": required,
            "properties": properties | change,
            "additionalProperties": False,
        },
        example={"data": {name: example[name] for name in required}},
    )


_NOTE = {
    "id": {"type": "string", "format": "uuid"},
    "title": {"type": "string", "minLength": 1, "maxLength": 200, "x-personal": "free-text"},
    "phone": {"type": ["string", "null"], "x-personal": "phone"},
    "price": {"type": "string", "pattern": r"^-?[0-9]{1,14}(\.[0-9]{1,4})?$"},
    "lent": {"type": "boolean"},
    "author": {
        "type": "object",
        "properties": {"name": {"type": "string", "x-personal": "name"}},
        "additionalProperties": False,
    },
}
_LOAN = {
    "id": {"type": "string", "format": "uuid"},
    "note_id": {"type": "string", "format": "uuid"},
}

CONTRACTS = Catalogue(
    [
        _contract(WRITTEN, ["library"], _NOTE),
        _contract(CHANGED, ["library"], _NOTE),
        _contract(SHREDDED, [], _NOTE),
        _contract(LENT, ["notes"], _LOAN),
        _contract(UNHEARD, [], _LOAN),
        replace(
            catalogue().contract("crm.sales.events.voided.v1"),
            type=VOIDED,
            producer="notes",
            consumers=("library",),
        ),
        *(
            replace(contract, consumers=("notes", "library"))
            for contract in catalogue().produced_by("gateway")
        ),
    ],
    services=["gateway", "notes", "library"],
    envelope={"type": "object"},
)


class Tables(DeclarativeBase):
    """Every table of the example, beside those of the chassis."""

    metadata = MetaData(naming_convention=NAMING)


class Note(Versioned, Owned, Tables):
    """A note with one column of each kind that can be sorted by."""

    __tablename__ = "notes"
    __table_args__ = (CheckConstraint("rank >= 0", name="rank_is_not_negative"),)

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str | None] = mapped_column(String(50))
    price: Mapped[Amount]
    rank: Mapped[int] = mapped_column(default=0)
    day: Mapped[date]
    remind_at: Mapped[Instant]
    lent: Mapped[bool] = mapped_column(default=False)


readings = Table(
    "readings",
    Tables.metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("event_id", Uuid(as_uuid=False), nullable=False),  # not unique: twice would be seen
    Column("note_id", Uuid(as_uuid=False), nullable=False),
    Column("title", String(200)),
    Column("sequence", Integer, nullable=False),
)

amounts = Table(
    "amounts",
    Tables.metadata,
    Column("id", Integer, primary_key=True),
    Column("value", Money, nullable=False),
    Index("amounts_value", "value"),
)


def state_of(note: Note) -> dict[str, Any]:
    """A note's public state."""
    return {
        "id": note.id,
        "title": note.title,
        "phone": note.phone,
        "price": decimal_text(note.price),
        "lent": note.lent,
    }


def write(session: Session, values: dict[str, Any]) -> Note:
    """Write a new note."""
    defaults = {
        "price": Decimal(0),
        "day": date(2026, 1, 1),
        "remind_at": datetime(2026, 1, 1, tzinfo=UTC),
    }
    note = Note(**{**defaults, **values})
    session.add(note)
    record(session, WRITTEN, note, state_of)
    return note


def change(session: Session, note: Note, changes: dict[str, Any]) -> bool:
    """Change a note; says whether anything was different."""
    if not change_fields(note, changes):
        return False
    record(session, CHANGED, note, state_of, change={"fields": sorted(changes)})
    return True


def tell(session: Session, note: Note) -> None:
    """Tell what is true of a note."""
    record(session, CHANGED, note, state_of)


def forget_readings(session: Session, voided: Sequence[Voided]) -> None:
    """Forget the readings of notes that are gone."""
    gone = {each.subject for each in voided if each.gone}
    session.execute(delete(readings).where(readings.c.note_id.in_(gone)))


def on_note(session: Session, events: Sequence[Event]) -> None:
    """Keep a reading of each event."""
    session.execute(
        insert(readings),
        [
            {
                "id": new_id(),
                "event_id": event.id,
                "note_id": event.subject,
                "title": event.data["title"],
                "sequence": event.sequence,
            }
            for event in events
        ],
    )


def on_loan(session: Session, events: Sequence[Event]) -> None:
    """Mark notes as lent, and tell of it in answer to the loan."""
    for event in events:
        note = session.get(Note, event.data["note_id"])
        if note is None:
            raise Refused("no such note")
        note.lent = True
        record(session, CHANGED, note, state_of, cause=event)


SUBSCRIPTIONS: dict[str, Subscriptions] = {
    "notes": {LENT: on_loan},
    "library": {WRITTEN: on_note, CHANGED: on_note},
}


class NoteFields(Schema):
    external_id = Text(200, allow_none=True)
    title = Text(200, required=True)
    phone = Phone(right="notes.notes.phone", allow_none=True)
    price = MoneyAmount()
    rank = fields.Integer(strict=True)
    day = fields.Date()
    remind_at = InstantField()
    owner_id = Reference(allow_none=True)


class NoteView(NoteFields):
    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)


class NoteRow(NoteFields):
    rank = fields.Integer()


LISTING = Listing(
    Note,
    sorts={
        "title": Note.title,
        "price": Note.price,
        "rank": Note.rank,
        "day": Note.day,
        "remind_at": Note.remind_at,
    },
    default="title",
    filters={
        "title": equals(Note.title),
        "phone": equals(Note.phone, right="notes.notes.phone"),
        "rank_from": at_least(Note.rank, fields.Integer),
        "price_from": at_least(Note.price, MoneyAmount),
    },
    search=[Note.title, Protected(Note.phone, "notes.notes.phone")],
)
READ, WRITE = "notes.notes.read", "notes.notes.write"

notes = Blueprint("notes", __name__, url_prefix="/v1/notes")


@notes.route("")
class Notes(MethodView):
    @reads(READ)
    @notes.arguments(LISTING.schema, location="query")
    @notes.response(200, page_schema(NoteView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Note]:
        return LISTING.page(session, visible(select(Note), Note, READ), query)

    @writes(WRITE)
    @notes.arguments(NoteFields)
    @notes.response(201, NoteView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        owner = values.pop("owner_id", None)
        note = write(session, values)
        assign(session, note, owner, WRITE)
        return versioned(session, note)


@notes.route("/<uuid:note_id>")
class NoteById(MethodView):
    @reads(READ)
    @notes.response(200, NoteView)
    def get(self, note_id: object, session: Session) -> Any:
        return versioned(session, visible_one(session, Note, note_id, READ))

    @writes(WRITE, if_match=True)
    @notes.arguments(changes_of(NoteFields))
    @notes.response(200, NoteView)
    def patch(self, changes: dict[str, Any], note_id: object, session: Session) -> Any:
        note = visible_to_change(session, Note, note_id, WRITE)
        if "owner_id" in changes:
            assign(session, note, changes.pop("owner_id"), WRITE)
        change(session, note, changes)
        return versioned(session, note)


faults = Blueprint("faults", __name__, url_prefix="/v1/faults")


@faults.route("")
class Faults(MethodView):
    @writes(WRITE)
    def post(self, session: Session) -> Any:
        write(session, {"title": "never kept"})
        session.flush()
        raise RuntimeError("the password is swordfish")


def import_rows(session: Session, _principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert notes."""
    upsert(session, Note, key, rows, create=write, change=change)


IMPORTER = Importer("notes", NoteRow, import_rows, WRITE)


def create_app(
    settings: Settings,
    *,
    subscriptions: Subscriptions | None = None,
    archive: bool = False,
    attachments: Sequence[Attachable] = (),
    **parts: Any,
) -> Flask:
    """The service that ``settings`` name, with its own handlers unless others are given."""
    if subscriptions is None:
        subscriptions = SUBSCRIPTIONS[settings.service]
    is_notes = settings.service == "notes"
    definition = Definition(
        name=settings.service,
        version="1.0.0",
        metadata=Tables.metadata,
        migrations=Path(__file__).parent / "migrations",
        blueprints=[notes, faults],
        subscriptions=subscriptions,
        importers=[IMPORTER],
        exports=[
            Export("notes", NoteView, LISTING, lambda: visible(select(Note), Note, READ), READ)
        ],
        attachments=attachments,
        archive_events=archive,
        retelling={"note": Retold(Note, tell)} if is_notes else {},
        on_voided=forget_readings,
    )
    return create_service(definition, __name__, settings, contracts=CONTRACTS, **parts)
