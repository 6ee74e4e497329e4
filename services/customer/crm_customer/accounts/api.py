"""``/v1/accounts``"""

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
from crm_customer.accounts import commands
from crm_customer.accounts.models import Account
from crm_customer.accounts.queries import READ
from crm_customer.accounts.schemas import PHONE_RIGHT, AccountFields, AccountRow, AccountView

WRITE = commands.WRITE

LISTING = Listing(
    Account,
    sorts={"created_at": Account.created_at, "name": Account.name},
    default="-created_at",
    filters={
        "name": equals(Account.name),
        "kind": equals(Account.kind),
        "industry": equals(Account.industry),
        "region": equals(Account.region),
        "level": equals(Account.level),
        "satisfaction": equals(Account.satisfaction),
        "source": equals(Account.source),
        "parent_id": equals(Account.parent_id, Reference),
        "owner_id": equals(Account.owner_id, Reference),
        "team_id": equals(Account.team_id, Reference),
        "external_id": equals(Account.external_id),
        "email": Filter(Email(), Account.emails.holds),
        "phone": Filter(Phone(right=PHONE_RIGHT), Account.phones.holds, PHONE_RIGHT),
        "created_on_from": at_least(Account.created_on, fields.Date),
        "created_on_to": at_most(Account.created_on, fields.Date),
    },
    search=[Account.name, Account.emails, Protected(Account.phones, PHONE_RIGHT)],
)

blueprint = Blueprint("accounts", __name__, url_prefix="/v1/accounts", description="Accounts")


def _visible_accounts() -> Select[tuple[Account]]:
    return visible(select(Account), Account, READ)


@blueprint.route("")
class Accounts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(AccountView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Account]:
        """List accounts."""
        return LISTING.page(session, _visible_accounts(), query)

    @writes(WRITE)
    @blueprint.arguments(AccountFields)
    @blueprint.response(201, AccountView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add an account."""
        account = commands.create(session, current_principal(), values, business_day())
        return versioned(session, account)


@blueprint.route("/<uuid:account_id>")
class AccountById(MethodView):
    @reads(READ)
    @blueprint.response(200, AccountView)
    def get(self, account_id: object, session: Session) -> Any:
        """Read an account."""
        return versioned(session, visible_one(session, Account, account_id, READ))

    @writes(WRITE)
    @blueprint.arguments(changes_of(AccountFields))
    @blueprint.response(200, AccountView)
    def patch(self, changes: dict[str, Any], account_id: object, session: Session) -> Any:
        """Change an account."""
        account = visible_to_change(session, Account, account_id, WRITE)
        commands.change(session, account, changes)
        return versioned(session, account)


IMPORTER = Importer("accounts", AccountRow, commands.import_rows, WRITE)
EXPORT = Export("accounts", AccountView, LISTING, _visible_accounts, READ)
