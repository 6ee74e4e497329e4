"""``/v1/contacts``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.custom_fields import CustomListing
from crm_chassis.fields import Email, Phone, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import (
    Filter,
    Listing,
    Page,
    at_least,
    at_most,
    equals,
    one_or_several,
    page_schema,
)
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_customer.accounts import queries as accounts
from crm_customer.accounts.models import Account
from crm_customer.consent import CONSENT_LOG, ConsentChange, ConsentChangeView, consent_changes
from crm_customer.contacts import commands, queries
from crm_customer.contacts.models import ROLES, Contact
from crm_customer.contacts.schemas import (
    PHONE_RIGHT,
    ContactColumns,
    ContactFields,
    ContactRow,
    ContactView,
    MembershipFields,
    MembershipView,
    NewContact,
)
from crm_customer.custom import CONTACTS
from crm_customer.duplicates.commands import admit
from crm_customer.duplicates.schemas import DuplicateProblem
from crm_customer.followup.filters import not_followed_up
from crm_customer.kinds import CONTACT
from crm_customer.lifecycle.queries import in_stage
from crm_customer.quality.fields import is_valid
from crm_customer.search.conditions import contains, email_is, phone_is
from crm_customer.tags.queries import bears

READ, WRITE = CONTACT.read, CONTACT.write

LISTING = Listing(
    Contact,
    sorts={
        "created_at": Contact.created_at,
        "name": Contact.name,
        "quality": Contact.quality,
        "last_contacted_at": Contact.followed_up_at,
    },
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
        "tag": bears(Contact),
        "stage": in_stage(Contact),
        "email": Filter(Email(), email_is(Contact)),
        "phone": Filter(Phone(right=PHONE_RIGHT), phone_is(Contact), PHONE_RIGHT),
        "not_followed_up_days": not_followed_up(Contact),
        "created_on_from": at_least(Contact.created_on, fields.Date),
        "created_on_to": at_most(Contact.created_on, fields.Date),
        "quality_from": at_least(Contact.quality, fields.Integer),
        "quality_to": at_most(Contact.quality, fields.Integer),
        "valid": is_valid(Contact),
    },
    search=contains(Contact, PHONE_RIGHT),
    declared=CustomListing(CONTACTS),
)

OF_ACCOUNT = Listing(
    Contact,
    sorts={"created_at": Contact.created_at, "name": Contact.name},
    default="-created_at",
    filters={},
)

blueprint = Blueprint("contacts", __name__, url_prefix="/v1/contacts", description="Contacts")
of_accounts = Blueprint(
    "account_contacts", __name__, url_prefix="/v1/accounts", description="Contacts"
)


class AccountContactQuery(OF_ACCOUNT.schema):
    """``role`` may be repeated."""

    role = one_or_several(fields.String(validate=validate.OneOf(ROLES)))


def _visible_contacts() -> Select[tuple[Contact]]:
    return visible(select(Contact), Contact, READ).where(Contact.merged_into.is_(None))


@blueprint.route("")
class Contacts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ContactView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Contact]:
        """List contacts."""
        return LISTING.page(session, _visible_contacts(), query)

    @writes(WRITE)
    @blueprint.arguments(NewContact)
    @blueprint.response(201, ContactView)
    @blueprint.alt_response(409, schema=DuplicateProblem, description="It may be there already.")
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a contact."""
        reason = values.pop("accept_duplicate", None)
        contact = commands.create(session, current_principal(), values, business_day())
        admit(session, "contact", contact, reason)
        return versioned(session, contact)


@blueprint.route("/<uuid:contact_id>")
class ContactById(MethodView):
    @reads(READ)
    @blueprint.response(200, ContactView)
    def get(self, contact_id: object, session: Session) -> Any:
        """Read a contact."""
        return versioned(session, visible_one(session, Contact, contact_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(ContactFields))
    @blueprint.response(200, ContactView)
    def patch(self, changes: dict[str, Any], contact_id: object, session: Session) -> Any:
        """Change a contact."""
        contact = visible_to_change(session, Contact, contact_id, WRITE)
        commands.change(session, contact, changes)
        return versioned(session, contact)


@blueprint.route("/<uuid:contact_id>/accounts/<uuid:account_id>")
class ContactAtAccount(MethodView):
    @reads(READ)
    @blueprint.response(200, MembershipView)
    def get(self, contact_id: object, account_id: object, session: Session) -> Any:
        """What a contact is at an account."""
        contact = visible_one(session, Contact, contact_id, READ)
        return _membership(contact, account_id), {"ETag": f'"{contact.version}"'}

    @writes(WRITE, if_match=True)
    @blueprint.arguments(MembershipFields)
    @blueprint.response(200, ContactView)
    def put(
        self, said: dict[str, Any], contact_id: object, account_id: object, session: Session
    ) -> Any:
        """Say what a contact is at an account."""
        contact = visible_to_change(session, Contact, contact_id, WRITE)
        account = visible_one(session, Account, account_id, accounts.READ)
        for record in (contact, account):
            record.require_standing()
        commands.link(session, contact, account.id, said["roles"], said["primary"])
        return versioned(session, contact)

    @writes(WRITE, if_match=True)
    @blueprint.response(200, ContactView)
    def delete(self, contact_id: object, account_id: object, session: Session) -> Any:
        """Let a contact no longer be at an account."""
        contact = visible_to_change(session, Contact, contact_id, WRITE)
        contact.require_standing()
        commands.unlink(session, contact, _membership(contact, account_id)["account_id"])
        return versioned(session, contact)


def _membership(contact: Contact, account_id: object) -> dict[str, Any]:
    """:raises Problem: 404 when the contact is not at the account."""
    for membership in contact.accounts:
        if membership["account_id"] == str(account_id):
            return membership
    raise not_found("account of this contact")


@blueprint.route("/<uuid:contact_id>/consent-log")
class ContactConsentLog(MethodView):
    @reads(READ)
    @blueprint.arguments(CONSENT_LOG.schema, location="query")
    @blueprint.response(200, page_schema(ConsentChangeView))
    def get(
        self, query: dict[str, Any], contact_id: object, session: Session
    ) -> Page[ConsentChange]:
        """How a contact's consent came to be as it is."""
        contact = visible_one(session, Contact, contact_id, READ)
        return CONSENT_LOG.page(session, consent_changes(contact.id), query)


@of_accounts.route("/<uuid:account_id>/contacts")
class AccountContacts(MethodView):
    @reads(READ)
    @of_accounts.arguments(AccountContactQuery, location="query")
    @of_accounts.response(200, page_schema(ContactView))
    def get(self, query: dict[str, Any], account_id: object, session: Session) -> Page[Contact]:
        """List the contacts of an account, it being their primary one or not."""
        account = visible_one(session, Account, account_id, accounts.READ)
        at_account = queries.at_account(account.id, query.pop("role", []))
        return OF_ACCOUNT.page(session, _visible_contacts().where(at_account), query)


IMPORTER = Importer("contacts", ContactRow, commands.import_rows, WRITE, custom=CONTACTS)
EXPORT = Export("contacts", ContactColumns, LISTING, _visible_contacts, READ)
