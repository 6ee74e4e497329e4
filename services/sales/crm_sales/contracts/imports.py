"""Contracts out of a file: each row says a contract as it stands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import change_fields, owned_by
from crm_chassis.auth import Principal
from crm_chassis.database import new_id
from crm_chassis.imports import Row, resolve, resolve_owner, upsert
from crm_chassis.problems import invalid
from crm_sales import replicas
from crm_sales.contracts import commands, events, queries, timers
from crm_sales.contracts.models import Contract

_NEW = {"number": "", "status": "draft"}
_NEEDED = ("title", "amount", "currency", "starts_on", "ends_on")


def import_rows(session: Session, principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert contracts; those that hold are watched as if they had been approved here."""
    resolve(session, rows, "account", "account_id", replicas.accounts)
    resolve(session, rows, "contact", "contact_id", replicas.contacts)
    resolve_owner(session, rows)
    known = _known(session, key, rows)  # kept alive for upsert to find in the session
    touched: list[Contract] = []

    def create(_session: Session, values: dict[str, Any]) -> Contract:
        _check_whole(values)
        contract = Contract(**_NEW | {"id": new_id()} | owned_by(principal) | values, approvals=[])
        touched.append(contract)
        return contract

    def change(_session: Session, contract: Contract, values: dict[str, Any]) -> bool:
        _check_term({"starts_on": contract.starts_on, "ends_on": contract.ends_on} | values)
        if not change_fields(contract, values):
            return False
        touched.append(contract)
        return True

    upsert(session, Contract, key, rows, create=create, change=change)
    _tell(session, touched, {contract.id for contract in known})


def _known(session: Session, key: str, rows: Sequence[Row]) -> Sequence[Contract]:
    """The contracts that the rows are about."""
    keys = [row.values[key] for row in rows if not row.refused]
    return session.scalars(select(Contract).where(getattr(Contract, key).in_(keys))).all()


def _check_whole(values: dict[str, Any]) -> None:
    if missing := [name for name in _NEEDED if name not in values]:
        raise invalid(*((name, "Needed for a new contract.") for name in missing))
    _check_term(values)


def _check_term(values: dict[str, Any]) -> None:
    if values["ends_on"] < values["starts_on"]:
        raise invalid(("ends_on", "Before the contract starts."))


def _tell(session: Session, touched: Sequence[Contract], known: set[str]) -> None:
    """Number what is new, tell of all, and watch what holds."""
    new = [contract for contract in touched if contract.id not in known]
    commands.enter(session, new, calendar.today(session).year)
    for contract in touched:
        _date(contract)
        verb = "changed" if contract.id in known else "created"
        events.contract_told(session, contract, verb)
    running = [each for each in touched if each.status in ("approved", "active")]
    timers.watch(session, running, queries.settings(session).reminder_days)


def _date(contract: Contract) -> None:
    """Say since when a contract is in its status, as far as the row tells."""
    if contract.status in ("approved", "active") and contract.approved_on is None:
        contract.approved_on = contract.starts_on
    if contract.status == "active" and contract.activated_on is None:
        contract.activated_on = contract.starts_on
    if contract.status == "void" and contract.ended_on is None:
        contract.ended_on = contract.ends_on
