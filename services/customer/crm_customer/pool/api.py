"""``/v1/pool``, its rules and its limits, and who owned an account."""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields, validate
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields, visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Reference, changes_of
from crm_chassis.paging import Filter, Listing, Page, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, check_version, reads, versioned, writes
from crm_customer.accounts.models import Account
from crm_customer.accounts.queries import READ as READ_ACCOUNTS
from crm_customer.accounts.schemas import AccountView
from crm_customer.followup.filters import not_followed_up
from crm_customer.ownership import OwnershipChange
from crm_customer.pool import commands, queries
from crm_customer.pool.models import PoolRule
from crm_customer.pool.queries import ASSIGN, CLAIM, READ, RELEASE
from crm_customer.pool.schemas import (
    Assignment,
    OwnershipChangeView,
    PooledAccount,
    PoolRuleFields,
    PoolRuleView,
    PoolSettingsFields,
    PoolSettingsView,
    Release,
    WarnedAccount,
)
from crm_customer.profile import LEVELS

READ_SETTINGS, WRITE_SETTINGS = "customer.settings.read", "customer.settings.write"

_LEVEL = fields.List(fields.String(validate=validate.OneOf(LEVELS)), validate=validate.Length(1, 3))

LISTING = Listing(
    Account,
    sorts={"created_at": Account.created_at, "last_contacted_at": Account.followed_up_at},
    default="-created_at",
    filters={
        "kind": equals(Account.kind),
        "industry": equals(Account.industry),
        "region": equals(Account.region),
        "level": Filter(_LEVEL, Account.level.in_),
        "source": equals(Account.source),
        "team_id": equals(Account.team_id, Reference),
        "not_followed_up_days": not_followed_up(Account),
    },
    search=[Account.name],
)
WARNINGS = Listing(
    Account,
    sorts={"return_due_at": Account.return_due_at},
    default="return_due_at",
    filters={
        "owner_id": equals(Account.owner_id, Reference),
        "team_id": equals(Account.team_id, Reference),
    },
)
RULES = Listing(
    PoolRule, sorts={"created_at": PoolRule.created_at}, default="created_at", filters={}
)
OWNERSHIP = Listing(
    OwnershipChange,
    sorts={"changed_at": OwnershipChange.changed_at},
    default="-changed_at",
    filters={},
)

blueprint = Blueprint("pool", __name__, url_prefix="/v1", description="Pool")


@blueprint.route("/pool")
class Pool(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(PooledAccount))
    def get(self, query: dict[str, Any], session: Session) -> Page[Account]:
        """List the customers of nobody."""
        return LISTING.page(session, queries.pooled(), query)


@blueprint.route("/pool/warnings")
class Warnings(MethodView):
    @reads(READ_ACCOUNTS)
    @blueprint.arguments(WARNINGS.schema, location="query")
    @blueprint.response(200, page_schema(WarnedAccount))
    def get(self, query: dict[str, Any], session: Session) -> Page[Account]:
        """List the customers that go back to the pool unless somebody gets in touch."""
        return WARNINGS.page(session, _warned(), query)


def _warned() -> Select[tuple[Account]]:
    return queries.warned(visible(select(Account), Account, READ_ACCOUNTS))


@blueprint.route("/pool/<uuid:account_id>/claim")
class Claim(MethodView):
    @writes(CLAIM)
    @blueprint.response(200, AccountView)
    def post(self, account_id: object, session: Session) -> Any:
        """Take a customer of nobody."""
        account = commands.claim(session, current_principal(), str(account_id))
        return versioned(session, account)


@blueprint.route("/pool/<uuid:account_id>/assign")
class Assign(MethodView):
    @writes(ASSIGN)
    @blueprint.arguments(Assignment)
    @blueprint.response(200, AccountView)
    def post(self, values: dict[str, Any], account_id: object, session: Session) -> Any:
        """Give a customer of nobody to somebody."""
        account = commands.assign(session, str(account_id), values["owner_id"])
        return versioned(session, account)


@blueprint.route("/pool/<uuid:account_id>/release")
class Releases(MethodView):
    @writes(RELEASE, if_match=True)
    @blueprint.arguments(Release)
    @blueprint.response(200, PooledAccount)
    def post(self, values: dict[str, Any], account_id: object, session: Session) -> Any:
        """Give a customer back to the pool."""
        account = visible_to_change(session, Account, account_id, RELEASE)
        commands.release(session, account, values["reason"])
        return versioned(session, account)


@blueprint.route("/accounts/<uuid:account_id>/ownership")
class Ownership(MethodView):
    @reads(READ_ACCOUNTS)
    @blueprint.arguments(OWNERSHIP.schema, location="query")
    @blueprint.response(200, page_schema(OwnershipChangeView))
    def get(
        self, query: dict[str, Any], account_id: object, session: Session
    ) -> Page[OwnershipChange]:
        """List the changes of an account's owner."""
        account = visible_one(session, Account, account_id, READ_ACCOUNTS)
        chosen = select(OwnershipChange).where(OwnershipChange.account_id == account.id)
        return OWNERSHIP.page(session, chosen, query)


@blueprint.route("/settings/pool")
class Settings(MethodView):
    @reads(READ_SETTINGS)
    @blueprint.response(200, PoolSettingsView)
    def get(self, session: Session) -> Any:
        """Read the limits to claiming."""
        return versioned(session, queries.settings(session))

    @writes(WRITE_SETTINGS, act="settings.change", keeps=PoolSettingsFields().fields, if_match=True)
    @blueprint.arguments(changes_of(PoolSettingsFields))
    @blueprint.response(200, PoolSettingsView)
    def patch(self, changes: dict[str, Any], session: Session) -> Any:
        """Change the limits to claiming."""
        settings = queries.settings(session)
        check_version(settings)
        change_fields(settings, changes)
        return versioned(session, settings)


@blueprint.route("/pool-rules")
class Rules(MethodView):
    @reads(READ_SETTINGS)
    @blueprint.arguments(RULES.schema, location="query")
    @blueprint.response(200, page_schema(PoolRuleView))
    def get(self, query: dict[str, Any], session: Session) -> Page[PoolRule]:
        """List the rules by which customers go back to the pool."""
        return RULES.page(session, select(PoolRule), query)

    @writes(WRITE_SETTINGS, act="pool_rule.create", keeps=PoolRuleFields().fields)
    @blueprint.arguments(PoolRuleFields)
    @blueprint.response(201, PoolRuleView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Add a rule."""
        return versioned(session, commands.add_rule(session, values))


@blueprint.route("/pool-rules/<uuid:rule_id>")
class RuleById(MethodView):
    @reads(READ_SETTINGS)
    @blueprint.response(200, PoolRuleView)
    def get(self, rule_id: object, session: Session) -> Any:
        """Read a rule."""
        return versioned(session, _rule(session, rule_id))

    @writes(WRITE_SETTINGS, act="pool_rule.change", keeps=PoolRuleFields().fields, if_match=True)
    @blueprint.arguments(changes_of(PoolRuleFields))
    @blueprint.response(200, PoolRuleView)
    def patch(self, changes: dict[str, Any], rule_id: object, session: Session) -> Any:
        """Change a rule; who was warned is warned anew where it asks for that."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.change_rule(session, rule, changes)
        return versioned(session, rule)

    @writes(WRITE_SETTINGS, act="pool_rule.delete", if_match=True)
    @blueprint.response(204)
    def delete(self, rule_id: object, session: Session) -> None:
        """Delete a rule."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.delete_rule(session, rule)


def _rule(session: Session, rule_id: object) -> PoolRule:
    rule = session.get(PoolRule, str(rule_id))
    if rule is None:
        raise not_found("rule")
    return rule
