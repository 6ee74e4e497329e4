"""``/v1/accounts``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
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
    page_schema,
)
from crm_chassis.web import Blueprint, business_day, reads, versioned, writes
from crm_customer.accounts import commands, queries
from crm_customer.accounts.models import Account
from crm_customer.accounts.queries import READ
from crm_customer.accounts.schemas import (
    PHONE_RIGHT,
    AccountColumns,
    AccountFields,
    AccountRow,
    AccountView,
    NewAccount,
)
from crm_customer.consent import CONSENT_LOG, ConsentChange, ConsentChangeView, consent_changes
from crm_customer.custom import ACCOUNTS
from crm_customer.duplicates.commands import admit
from crm_customer.duplicates.schemas import DuplicateProblem
from crm_customer.followup.filters import not_followed_up
from crm_customer.lifecycle.queries import in_stage
from crm_customer.quality.fields import is_valid
from crm_customer.search.conditions import contains, email_is, phone_is
from crm_customer.tags.queries import bears

WRITE = commands.WRITE

LISTING = Listing(
    Account,
    sorts={
        "created_at": Account.created_at,
        "name": Account.name,
        "quality": Account.quality,
        "last_contacted_at": Account.followed_up_at,
    },
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
        "tag": bears(Account),
        "stage": in_stage(Account),
        "email": Filter(Email(), email_is(Account)),
        "phone": Filter(Phone(right=PHONE_RIGHT), phone_is(Account), PHONE_RIGHT),
        "not_followed_up_days": not_followed_up(Account),
        "created_on_from": at_least(Account.created_on, fields.Date),
        "created_on_to": at_most(Account.created_on, fields.Date),
        "quality_from": at_least(Account.quality, fields.Integer),
        "quality_to": at_most(Account.quality, fields.Integer),
        "valid": is_valid(Account),
    },
    search=contains(Account, PHONE_RIGHT),
    declared=CustomListing(ACCOUNTS),
)

blueprint = Blueprint("accounts", __name__, url_prefix="/v1/accounts", description="Accounts")


def _visible_accounts() -> Select[tuple[Account]]:
    return visible(select(Account), Account, READ).where(Account.merged_into.is_(None))


@blueprint.route("")
class Accounts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(AccountView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Account]:
        """List accounts."""
        return LISTING.page(session, _visible_accounts(), query)

    @writes(WRITE)
    @blueprint.arguments(NewAccount)
    @blueprint.response(201, AccountView)
    @blueprint.alt_response(409, schema=DuplicateProblem, description="It may be there already.")
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add an account."""
        reason = values.pop("accept_duplicate", None)
        account = commands.create(session, current_principal(), values, business_day())
        admit(session, "account", account, reason)
        return versioned(session, account)


@blueprint.route("/<uuid:account_id>")
class AccountById(MethodView):
    @reads(READ)
    @blueprint.response(200, AccountView)
    def get(self, account_id: object, session: Session) -> Any:
        """Read an account."""
        return versioned(session, visible_one(session, Account, account_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(AccountFields))
    @blueprint.response(200, AccountView)
    def patch(self, changes: dict[str, Any], account_id: object, session: Session) -> Any:
        """Change an account."""
        account = visible_to_change(session, Account, account_id, WRITE)
        commands.change(session, account, changes)
        return versioned(session, account)


@blueprint.route("/<uuid:account_id>/subsidiaries")
class AccountSubsidiaries(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(AccountView))
    def get(self, query: dict[str, Any], account_id: object, session: Session) -> Page[Account]:
        """List the accounts that an account owns, at whatever distance; parent_id is the tree."""
        account = visible_one(session, Account, account_id, READ)
        owned = _visible_accounts().where(queries.subsidiaries(account.id))
        return LISTING.page(session, owned, query)


@blueprint.route("/<uuid:account_id>/ancestors")
class AccountAncestors(MethodView):
    @reads(READ)
    @blueprint.response(200, AccountView(many=True))
    def get(self, account_id: object, session: Session) -> list[Account]:
        """The accounts that own an account, the nearest first."""
        return queries.owners(session, visible_one(session, Account, account_id, READ))


@blueprint.route("/<uuid:account_id>/consent-log")
class AccountConsentLog(MethodView):
    @reads(READ)
    @blueprint.arguments(CONSENT_LOG.schema, location="query")
    @blueprint.response(200, page_schema(ConsentChangeView))
    def get(
        self, query: dict[str, Any], account_id: object, session: Session
    ) -> Page[ConsentChange]:
        """How an account's consent came to be as it is."""
        account = visible_one(session, Account, account_id, READ)
        return CONSENT_LOG.page(session, consent_changes(account.id), query)


IMPORTER = Importer("accounts", AccountRow, commands.import_rows, WRITE, custom=ACCOUNTS)
EXPORT = Export("accounts", AccountColumns, LISTING, _visible_accounts, READ)
