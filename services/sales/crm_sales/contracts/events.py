"""What contracts tell: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.contracts.models import ApprovalRule, Contract, ContractSettings
from crm_sales.days import day_text


def contract_state(contract: Contract) -> dict[str, Any]:
    return {
        "id": contract.id,
        "external_id": contract.external_id,
        "number": contract.number,
        "title": contract.title,
        "account_id": contract.account_id,
        "contact_id": contract.contact_id,
        "opportunity_id": contract.opportunity_id,
        "quote_id": contract.quote_id,
        "owner_id": contract.owner_id,
        "team_id": contract.team_id,
        "status": contract.status,
        "amount": decimal_text(contract.amount),
        "currency": contract.currency,
        "starts_on": day_text(contract.starts_on),
        "ends_on": day_text(contract.ends_on),
        "approved_on": day_text(contract.approved_on),
        "activated_on": day_text(contract.activated_on),
        "ended_on": day_text(contract.ended_on),
        "end_reason": contract.end_reason,
        "approvals": [
            {
                "position": approval.position,
                "approver_id": approval.approver_id,
                "decision": approval.decision,
            }
            for approval in contract.approvals
        ],
    }


def contract_told(session: Session, contract: Contract, verb: str) -> None:
    """:param verb: ``created``, ``changed``, ``submitted``, ``approved``, ``rejected``,
    ``withdrawn``, ``activated``, ``expiring``, ``expired`` or ``voided``."""
    record(session, f"crm.sales.contract.{verb}.v1", contract, contract_state)


def _rule_state(rule: ApprovalRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "team_id": rule.team_id,
        "currency": rule.currency,
        "amount_from": decimal_text(rule.amount_from),
        "position": rule.position,
        "approver_id": rule.approver_id,
    }


def rule_set(session: Session, rule: ApprovalRule) -> None:
    record(session, "crm.sales.approval_rule.set.v1", rule, _rule_state)


def rule_removed(session: Session, rule: ApprovalRule) -> None:
    record(session, "crm.sales.approval_rule.removed.v1", rule, _rule_state)


def settings_set(session: Session, settings: ContractSettings) -> None:
    record(
        session,
        "crm.sales.contract_settings.set.v1",
        settings,
        lambda each: {"id": each.id, "reminder_days": each.reminder_days},
    )
