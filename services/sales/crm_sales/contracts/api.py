"""``/v1/contracts``, ``/v1/approval-rules`` and ``/v1/settings/contracts``"""

from __future__ import annotations

from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import not_, select
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.fields import MoneyAmount, Reference, changes_of
from crm_chassis.imports import Importer
from crm_chassis.imports_api import Export
from crm_chassis.paging import Filter, Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.problems import not_found
from crm_chassis.web import Blueprint, business_day, check_version, reads, versioned, writes
from crm_sales.contracts import commands, queries
from crm_sales.contracts.imports import import_rows
from crm_sales.contracts.models import ApprovalRule, Contract, ContractSettings
from crm_sales.contracts.schemas import (
    ApprovalComment,
    ApprovalRuleFields,
    ApprovalRuleView,
    ContractDetail,
    ContractFields,
    ContractRefusal,
    ContractRow,
    ContractSettingsFields,
    ContractSettingsView,
    ContractView,
    Delegation,
)

READ, WRITE = queries.READ, commands.WRITE
APPROVE = "sales.contracts.approve"
RULES_READ, RULES_WRITE = "sales.approval_rules.read", "sales.approval_rules.write"
SETTINGS_READ, SETTINGS_WRITE = "sales.settings.read", "sales.settings.write"


def _asked_of_me(wanted: bool) -> Any:
    condition = queries.asked_of(current_principal().id)
    return condition if wanted else not_(condition)


LISTING = Listing(
    Contract,
    sorts={
        "created_at": Contract.created_at,
        "amount": Contract.amount,
        "ends_on": Contract.ends_on,
    },
    default="-created_at",
    filters={
        "status": equals(Contract.status),
        "number": equals(Contract.number),
        "account_id": equals(Contract.account_id, Reference),
        "contact_id": equals(Contract.contact_id, Reference),
        "opportunity_id": equals(Contract.opportunity_id, Reference),
        "owner_id": equals(Contract.owner_id, Reference),
        "team_id": equals(Contract.team_id, Reference),
        "external_id": equals(Contract.external_id),
        "currency": equals(Contract.currency),
        "amount_from": at_least(Contract.amount, MoneyAmount),
        "amount_to": at_most(Contract.amount, MoneyAmount),
        "ends_on_from": at_least(Contract.ends_on, fields.Date),
        "ends_on_to": at_most(Contract.ends_on, fields.Date),
        "awaiting_my_approval": Filter(fields.Boolean(), _asked_of_me),
    },
    search=[Contract.title],
)
RULES = Listing(
    ApprovalRule,
    sorts={"position": ApprovalRule.position},
    default="position",
    filters={
        "team_id": equals(ApprovalRule.team_id, Reference),
        "approver_id": equals(ApprovalRule.approver_id, Reference),
    },
)

blueprint = Blueprint("contracts", __name__, url_prefix="/v1", description="Contracts")


@blueprint.route("/contracts")
class Contracts(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(ContractView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Contract]:
        """List contracts, those that wait for the caller's approval among them."""
        return LISTING.page(session, queries.readable(), query)

    @writes(WRITE)
    @blueprint.arguments(ContractFields)
    @blueprint.response(201, ContractDetail)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Draft a contract."""
        contract = commands.create(session, current_principal(), values, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>")
class ContractById(MethodView):
    @reads(READ)
    @blueprint.response(200, ContractDetail)
    def get(self, contract_id: object, session: Session) -> Any:
        """Read a contract."""
        return versioned(session, queries.one(session, contract_id))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(ContractFields))
    @blueprint.response(200, ContractDetail)
    def patch(self, changes: dict[str, Any], contract_id: object, session: Session) -> Any:
        """Change a draft; of others, only the owner can be changed."""
        contract = queries.to_change(session, contract_id, WRITE)
        commands.change(session, contract, changes)
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/submit")
class ContractSubmission(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, ContractDetail)
    def post(self, contract_id: object, session: Session) -> Any:
        """Ask for the approvals that the rules want; with none of them it is approved."""
        contract = queries.to_change(session, contract_id, WRITE)
        commands.submit(session, current_principal(), contract, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/approve")
class ContractApproval(MethodView):
    @writes(APPROVE, if_match=True)
    @blueprint.arguments(ApprovalComment)
    @blueprint.response(200, ContractDetail)
    def post(self, given: dict[str, Any], contract_id: object, session: Session) -> Any:
        """Approve, as the one who is asked now."""
        contract = queries.to_decide(session, contract_id)
        comment = given.get("comment")
        commands.approve(session, current_principal(), contract, comment, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/reject")
class ContractRejection(MethodView):
    @writes(APPROVE, if_match=True)
    @blueprint.arguments(ContractRefusal)
    @blueprint.response(200, ContractDetail)
    def post(self, refusal: dict[str, Any], contract_id: object, session: Session) -> Any:
        """Refuse the approval, as the one who is asked now."""
        contract = queries.to_decide(session, contract_id)
        reason = refusal["reason"]
        commands.reject(session, current_principal(), contract, reason, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/delegate")
class ContractDelegation(MethodView):
    @writes(APPROVE, if_match=True)
    @blueprint.arguments(Delegation)
    @blueprint.response(200, ContractDetail)
    def post(self, given: dict[str, Any], contract_id: object, session: Session) -> Any:
        """Have somebody else be asked."""
        contract = queries.to_decide(session, contract_id)
        to, reason = given["approver_id"], given.get("reason")
        commands.delegate(session, current_principal(), contract, to, reason)
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/withdraw")
class ContractWithdrawal(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, ContractDetail)
    def post(self, contract_id: object, session: Session) -> Any:
        """Take a contract back from its approvers."""
        contract = queries.to_change(session, contract_id, WRITE)
        commands.withdraw(session, contract, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/activate")
class ContractActivation(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, ContractDetail)
    def post(self, contract_id: object, session: Session) -> Any:
        """Have an approved contract hold from today; on its first day it does so by itself."""
        contract = queries.to_change(session, contract_id, WRITE)
        commands.activate(session, contract, business_day())
        return versioned(session, contract)


@blueprint.route("/contracts/<uuid:contract_id>/void")
class ContractVoiding(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.arguments(ContractRefusal)
    @blueprint.response(200, ContractDetail)
    def post(self, given: dict[str, Any], contract_id: object, session: Session) -> Any:
        """Have a contract hold no more."""
        contract = queries.to_change(session, contract_id, WRITE)
        commands.void(session, contract, business_day(), given["reason"])
        return versioned(session, contract)


@blueprint.route("/approval-rules")
class ApprovalRules(MethodView):
    @reads(RULES_READ)
    @blueprint.arguments(RULES.schema, location="query")
    @blueprint.response(200, page_schema(ApprovalRuleView))
    def get(self, query: dict[str, Any], session: Session) -> Page[ApprovalRule]:
        """List who has to approve which contracts."""
        return RULES.page(session, select(ApprovalRule), query)

    @writes(RULES_WRITE, act="approval_rule.create", keeps=ApprovalRuleFields().fields)
    @blueprint.arguments(ApprovalRuleFields)
    @blueprint.response(201, ApprovalRuleView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Have somebody approve contracts."""
        return versioned(session, commands.create_rule(session, values))


@blueprint.route("/approval-rules/<uuid:rule_id>")
class ApprovalRuleById(MethodView):
    @reads(RULES_READ)
    @blueprint.response(200, ApprovalRuleView)
    def get(self, rule_id: object, session: Session) -> Any:
        """Read a rule."""
        return versioned(session, _rule(session, rule_id))

    @writes(
        RULES_WRITE, act="approval_rule.change", keeps=ApprovalRuleFields().fields, if_match=True
    )
    @blueprint.arguments(changes_of(ApprovalRuleFields))
    @blueprint.response(200, ApprovalRuleView)
    def patch(self, changes: dict[str, Any], rule_id: object, session: Session) -> Any:
        """Change a rule."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.change_rule(session, rule, changes)
        return versioned(session, rule)

    @writes(RULES_WRITE, act="approval_rule.delete", if_match=True)
    @blueprint.response(204)
    def delete(self, rule_id: object, session: Session) -> None:
        """Remove a rule."""
        rule = _rule(session, rule_id)
        check_version(rule)
        commands.remove_rule(session, rule)


def _rule(session: Session, rule_id: object) -> ApprovalRule:
    rule = session.get(ApprovalRule, str(rule_id))
    if rule is None:
        raise not_found("approval rule")
    return rule


@blueprint.route("/settings/contracts")
class ContractRules(MethodView):
    @reads(SETTINGS_READ)
    @blueprint.response(200, ContractSettingsView)
    def get(self, session: Session) -> Any:
        """Read the rules for contracts."""
        return versioned(session, queries.settings(session))

    @writes(
        SETTINGS_WRITE, act="settings.change", keeps=ContractSettingsFields().fields, if_match=True
    )
    @blueprint.arguments(ContractSettingsFields)
    @blueprint.response(200, ContractSettingsView)
    def put(self, values: dict[str, Any], session: Session) -> Any:
        """Change the rules for contracts."""
        settings: ContractSettings = queries.settings(session)
        check_version(settings)
        commands.set_reminder(session, settings, values["reminder_days"])
        return versioned(session, settings)


IMPORTER = Importer("contracts", ContractRow, import_rows, WRITE)
EXPORT = Export("contracts", ContractView, LISTING, queries.readable, READ)
