"""What is asked about contracts."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Select, exists, or_, select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.auth import current_principal, rows_in_scope, visible
from crm_chassis.problems import not_found
from crm_chassis.web import check_version
from crm_sales.contracts.models import (
    CONTRACT_SETTINGS_ID,
    Approval,
    ApprovalRule,
    Contract,
    ContractSettings,
)

READ = "sales.contracts.read"


def settings(session: Session) -> ContractSettings:
    """The rules for contracts."""
    return session.get_one(ContractSettings, CONTRACT_SETTINGS_ID)


def asked_of(principal_id: str) -> ColumnElement[bool]:
    """The condition on contracts that wait for this principal's approval."""
    return _approval(principal_id).where(Approval.decision == "pending").exists()


def _approval(principal_id: str) -> Select[tuple[str]]:
    return select(Approval.id).where(
        Approval.contract_id == Contract.id, Approval.approver_id == principal_id
    )


def readable() -> Select[tuple[Contract]]:
    """The contracts that the current principal may see: those in scope, and those it was asked to
    approve."""
    principal = current_principal()
    in_scope = rows_in_scope(principal, READ, Contract.owner_id, Contract.team_id)
    return select(Contract).where(or_(in_scope, exists(_approval(principal.id))))


def one(session: Session, contract_id: object) -> Contract:
    """A contract with its chain of approval, to be read.

    :raises Problem: 404, whether it is not there or not visible.
    """
    return _found(session, readable().where(Contract.id == str(contract_id)))


def to_decide(session: Session, contract_id: object) -> Contract:
    """A contract that the current principal may see, locked, in the version that the client saw.

    :raises Problem: 404 or 412.
    """
    wanted = readable().where(Contract.id == str(contract_id)).with_for_update(of=Contract)
    return _as_seen(_found(session, wanted))


def to_change(session: Session, contract_id: object, permission: str) -> Contract:
    """A contract within the permission's scope, locked, in the version that the client saw.

    :raises Problem: 404 or 412.
    """
    wanted = select(Contract).where(Contract.id == str(contract_id)).with_for_update()
    return _as_seen(_found(session, visible(wanted, Contract, permission)))


def _found(session: Session, statement: Select[tuple[Contract]]) -> Contract:
    found = session.scalars(statement).one_or_none()
    if found is None:
        raise not_found("contract")
    return found


def _as_seen(contract: Contract) -> Contract:
    check_version(contract)
    return contract


def approvers(session: Session, contract: Contract) -> Sequence[str]:
    """Who has to approve a contract, in the order in which they are asked, each of them once."""
    rules = session.scalars(
        select(ApprovalRule.approver_id)
        .where(
            or_(
                ApprovalRule.team_id.is_(None),
                ApprovalRule.team_id.in_(directory.teams_above(contract.team_id)),
            ),
            or_(ApprovalRule.currency.is_(None), ApprovalRule.currency == contract.currency),
            ApprovalRule.amount_from <= contract.amount,
        )
        .order_by(ApprovalRule.position, ApprovalRule.amount_from, ApprovalRule.id)
    )
    return list(dict.fromkeys(rules))
