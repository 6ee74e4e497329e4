"""Contracts as requests and answers have them."""

from __future__ import annotations

from decimal import Decimal

from marshmallow import Schema, fields, validate

from crm_chassis.fields import Currency, Instant, MoneyAmount, Reference, Text
from crm_sales.contracts.models import DECISIONS, STATUSES

_NOTHING = Decimal(0)


class ContractFields(Schema):
    """What a client says of a contract; days are business days, both are part of the term."""

    external_id = Text(200, allow_none=True)
    title = Text(200, required=True)
    account_id = Reference(allow_none=True)
    contact_id = Reference(allow_none=True)
    opportunity_id = Reference(allow_none=True)
    quote_id = Reference(allow_none=True)
    owner_id = Reference(allow_none=True)
    amount = MoneyAmount(least=_NOTHING, required=True)
    currency = Currency(required=True)
    starts_on = fields.Date(required=True)
    ends_on = fields.Date(required=True)
    terms = Text(4000, allow_none=True)


class ContractView(ContractFields):
    """A contract as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    number = fields.String(dump_only=True)
    team_id = Reference(dump_only=True, allow_none=True)
    status = fields.String(dump_only=True, validate=validate.OneOf(STATUSES))
    submitted_at = Instant(dump_only=True, allow_none=True)
    submitted_by = Reference(dump_only=True, allow_none=True)
    approved_on = fields.Date(dump_only=True, allow_none=True)
    activated_on = fields.Date(dump_only=True, allow_none=True)
    ended_on = fields.Date(dump_only=True, allow_none=True)
    end_reason = fields.String(dump_only=True, allow_none=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ApprovalView(Schema):
    """One link of the chain of approval."""

    position = fields.Integer()
    approver_id = Reference()
    decision = fields.String(validate=validate.OneOf(DECISIONS))
    decided_at = Instant(allow_none=True)
    comment = fields.String(allow_none=True)
    delegated_by = Reference(allow_none=True)


class ContractDetail(ContractView):
    """A contract with those who are asked to approve it."""

    approvals = fields.List(fields.Nested(ApprovalView), dump_only=True)


class ApprovalComment(Schema):
    """What an approver says to it."""

    comment = Text(1000, allow_none=True)


class ContractRefusal(Schema):
    """Why a contract is refused or made void."""

    reason = Text(200, required=True)


class Delegation(Schema):
    """Who is asked instead, and why."""

    approver_id = Reference(required=True)
    reason = Text(1000, allow_none=True)


class ContractRow(Schema):
    """A contract as a row of a file has it.

    Account, contact and owner go by external id or name. The row says the contract as it stands.
    """

    external_id = Text(200)
    title = Text(200)
    account = Text(200)
    contact = Text(200)
    owner = Text(200)
    amount = MoneyAmount(least=_NOTHING)
    currency = Currency()
    starts_on = fields.Date()
    ends_on = fields.Date()
    terms = Text(4000)
    status = fields.String(validate=validate.OneOf(("draft", "approved", "active", "void")))


class ApprovalRuleFields(Schema):
    """Who has to approve which contracts."""

    team_id = Reference(allow_none=True)
    currency = Currency(allow_none=True)
    amount_from = MoneyAmount(least=_NOTHING, required=True)
    position = fields.Integer(strict=True, validate=validate.Range(1, 100))
    approver_id = Reference(required=True)


class ApprovalRuleView(ApprovalRuleFields):
    """A rule as stored."""

    id = Reference(dump_only=True)
    version = fields.Integer(dump_only=True)
    created_at = Instant(dump_only=True)
    updated_at = Instant(dump_only=True)


class ContractSettingsFields(Schema):
    """The rules for contracts."""

    reminder_days = fields.Integer(strict=True, required=True, validate=validate.Range(0, 365))


class ContractSettingsView(ContractSettingsFields):
    """The rules for contracts as stored."""

    version = fields.Integer(dump_only=True)
