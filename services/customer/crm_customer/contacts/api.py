"""``/v1/contacts``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Email, Phone, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import (
    Filter,
    Listing,
    Page,
    Protected,
    at_least,
    at_most,
    equals,
    page_schema,
)
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_customer.contacts import commands
from crm_customer.contacts.models import Contact
from crm_customer.contacts.schemas import PHONE_RIGHT, ContactFields, ContactRow, ContactView

READ, WRITE = "customer.contacts.read", commands.WRITE

LISTING = Listing(
    Contact,
    sorts={"created_at": Contact.created_at, "name": Contact.name},
    default="-created_at",
    filters={
        "name": equals(Contact.name),
        "account_id": equals(Contact.account_id, Reference),
        "region": equals(Contact.region),
        "level": equals(Contact.level),
        "satisfaction": equals(Contact.satisfaction),
        "source": equals(Contact.source),
        "owner_id": equals(Contact.owner_id, Reference),
        "team_id": equals(Contact.team_id, Reference),
        "external_id": equals(Contact.external_id),
        "email": Filter(Email(), Contact.emails.holds),
        "phone": Filter(Phone(right=PHONE_RIGHT), Contact.phones.holds, PHONE_RIGHT),
        "created_on_from": at_least(Contact.created_on, fields.Date),
        "created_on_to": at_most(Contact.created_on, fields.Date),
    },
    search=[Contact.name, Contact.emails, Protected(Contact.phones, PHONE_RIGHT)],
)

blueprint = Blueprint("contacts", __name__, url_prefix="/v1/contacts", description="Contacts")


def _visible_contacts() -> Select[tuple[Contact]]:
    return visible(select(Contact), Contact, READ)


@blueprint.route("")
class Contacts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ContactView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Contact]:
        """List contacts."""
        return LISTING.page(session, _visible_contacts(), query)

    @writes(WRITE)
    @blueprint.arguments(ContactFields)
    @blueprint.response(201, ContactView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a contact."""
        contact = commands.create(session, current_principal(), values, business_day())
        return versioned(session, contact)


@blueprint.route("/<uuid:contact_id>")
class ContactById(MethodView):
    @reads(READ)
    @blueprint.response(200, ContactView)
    def get(self, contact_id: object, session: Session) -> Any:
        """Read a contact."""
        return versioned(session, visible_one(session, Contact, contact_id, READ))

    @writes(WRITE)
    @blueprint.arguments(changes_of(ContactFields))
    @blueprint.response(200, ContactView)
    def patch(self, changes: dict[str, Any], contact_id: object, session: Session) -> Any:
        """Change a contact."""
        contact = visible_to_change(session, Contact, contact_id, WRITE)
        commands.change(session, contact, changes)
        return versioned(session, contact)


IMPORTER = Importer("contacts", ContactRow, commands.import_rows, WRITE)
EXPORT = Export("contacts", ContactView, LISTING, _visible_contacts, READ)
