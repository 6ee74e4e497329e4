"""What can be done with contracts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_chassis.scheduler import set_timers
from crm_sales import numbers
from crm_sales.contracts import events, queries, timers
from crm_sales.contracts.models import ApprovalRule, Contract, ContractNumber, ContractSettings
from crm_sales.references import unknown

WRITE = "sales.contracts.write"


def create(session: Session, principal: Principal, values: dict[str, Any], today: date) -> Contract:
    """A draft under a new number."""
    _check(session, values)
    owner_id = values.pop("owner_id", default_owner(principal))
    contract = Contract(id=new_id(), number="", status="draft", **values)
    assign(session, contract, owner_id, WRITE)
    enter(session, [contract], today.year)
    events.contract_told(session, contract, "created")
    return contract


def enter(session: Session, contracts: Sequence[Contract], year: int) -> None:
    """Give new contracts their numbers."""
    serials = numbers.serials(session, ContractNumber, [contract.id for contract in contracts])
    for contract, serial in zip(contracts, serials, strict=True):
        contract.number = numbers.number("CT", year, serial)
        session.add(contract)


def _check(session: Session, values: Mapping[str, Any]) -> None:
    """:raises Problem: 422 naming what a contract refers to and is not there, or a wrong term."""
    errors = unknown(session, values)
    if "starts_on" in values and "ends_on" in values and values["ends_on"] < values["starts_on"]:
        errors.append(("ends_on", "Before the contract starts."))
    if errors:
        raise invalid(*errors)


def change(session: Session, contract: Contract, changes: dict[str, Any]) -> None:
    """Change a draft; a new owner can be given at any time."""
    if changes.keys() - {"owner_id"}:
        contract.require("draft")
    term = {"starts_on": contract.starts_on, "ends_on": contract.ends_on}
    _check(session, term | changes)
    if "owner_id" in changes and changes["owner_id"] != contract.owner_id:
        assign(session, contract, changes["owner_id"], WRITE)
    change_fields(contract, changes)
    if session.is_modified(contract):
        events.contract_told(session, contract, "changed")


def submit(session: Session, principal: Principal, contract: Contract, today: date) -> None:
    """Put a draft before those whose approval the rules ask for."""
    contract.submit(queries.approvers(session, contract), principal.id, today)
    events.contract_told(session, contract, "submitted")
    _tell_if_approved(session, contract)


def approve(
    session: Session, principal: Principal, contract: Contract, comment: str | None, today: date
) -> None:
    """Approve a contract, for the link of the chain that is asked now."""
    contract.approve(principal.id, comment, today)
    if not _tell_if_approved(session, contract):
        events.contract_told(session, contract, "changed")


def _tell_if_approved(session: Session, contract: Contract) -> bool:
    if contract.status != "approved":
        return False
    timers.watch(session, [contract], queries.settings(session).reminder_days)
    events.contract_told(session, contract, "approved")
    return True


def reject(
    session: Session, principal: Principal, contract: Contract, reason: str, today: date
) -> None:
    """Refuse to approve a contract."""
    contract.reject(principal.id, reason, today)
    events.contract_told(session, contract, "rejected")


def delegate(
    session: Session, principal: Principal, contract: Contract, to: str, reason: str | None
) -> None:
    """Have somebody else decide.

    :raises Problem: 422 for somebody who is not there, or not any more.
    """
    _require_user(session, to)
    contract.delegate(principal.id, to, reason)
    events.contract_told(session, contract, "changed")


def _require_user(session: Session, user_id: str) -> None:
    if user_id not in directory.active_users(session, [user_id]):
        raise invalid(("approver_id", "No such user."))


def withdraw(session: Session, contract: Contract, today: date) -> None:
    """Take a contract back from its approvers."""
    contract.withdraw(today)
    events.contract_told(session, contract, "withdrawn")


def activate(session: Session, contract: Contract, today: date) -> None:
    """Have an approved contract hold from today, before its first day if need be."""
    contract.activate(today)
    events.contract_told(session, contract, "activated")


def void(session: Session, contract: Contract, today: date, reason: str) -> None:
    """Have a contract hold no more."""
    contract.void(today, reason)
    timers.unwatch(session, contract)
    events.contract_told(session, contract, "voided")


def create_rule(session: Session, values: dict[str, Any]) -> ApprovalRule:
    """Have somebody approve the contracts that the rule names, those not yet submitted."""
    _check_rule(session, values)
    rule = ApprovalRule(**values)
    session.add(rule)
    events.rule_set(session, rule)
    return rule


def change_rule(session: Session, rule: ApprovalRule, changes: dict[str, Any]) -> None:
    """Change a rule; contracts that are in review keep the chain they have."""
    _check_rule(session, changes)
    if change_fields(rule, changes):
        events.rule_set(session, rule)


def remove_rule(session: Session, rule: ApprovalRule) -> None:
    """Take a rule away; contracts that are in review keep the chain they have."""
    events.rule_removed(session, rule)
    session.delete(rule)


def _check_rule(session: Session, values: Mapping[str, Any]) -> None:
    team_id = values.get("team_id")
    if team_id is not None and not _is_team(session, team_id):
        raise invalid(("team_id", "No such team."))
    if "approver_id" in values:
        _require_user(session, values["approver_id"])


def _is_team(session: Session, team_id: str) -> bool:
    teams = directory.teams.c
    return session.scalar(select(teams.id).where(teams.id == team_id)) is not None


def set_reminder(session: Session, settings: ContractSettings, days: int) -> None:
    """Have contracts be told of so many days before they end; of those told already, no more."""
    if change_fields(settings, {"reminder_days": days}):
        events.settings_set(session, settings)
        set_timers(session, timers.SWEEP, {"": utc_now()})
