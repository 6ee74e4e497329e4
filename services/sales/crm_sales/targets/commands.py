"""What can be done with targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal, forbidden
from crm_chassis.imports import Row, upsert
from crm_chassis.problems import invalid
from crm_sales.currencies.queries import base_currency, with_currency
from crm_sales.targets import events, queries
from crm_sales.targets.models import Target

WRITE = "sales.targets.write"

_KEPT = ("scope", "measure")


def put(session: Session, principal: Principal, values: dict[str, Any]) -> Target:
    """Set the target of the company, a team or a person for a month; it replaces one before it.

    :raises Problem: 403 for a member whom the permission does not reach.
    """
    scope, member_id = values["scope"], values["member_id"]
    if not queries.may_set(session, principal, WRITE, scope, member_id):
        raise forbidden(f"{WRITE} for that {scope}")
    found = session.scalars(
        select(Target)
        .where(
            Target.scope == scope,
            Target.measure == values["measure"],
            Target.member_id == member_id,
            Target.month == values["month"],
            Target.currency == values["currency"],
        )
        .with_for_update()
    ).one_or_none()
    if found is None:
        return create(session, values)
    change(session, found, values)
    return found


def create(session: Session, values: dict[str, Any]) -> Target:
    """Set a target that was not set before."""
    target = Target(**values)
    session.add(target)
    events.target_set(session, target)
    return target


def change(session: Session, target: Target, changes: dict[str, Any]) -> bool:
    """Change the given fields.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 for another scope or measure: who was told of a team's sales would keep
        them if they became something of which he is told nothing.
    """
    for name in _KEPT:
        if name in changes and changes[name] != getattr(target, name):
            raise invalid((name, "A target keeps it: set another one."))
    if not change_fields(target, changes):
        return False
    events.target_set(session, target)
    return True


def import_rows(session: Session, _principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert targets; ``member`` names a team or a user after the row's scope.

    A new one is of sales, and in the base currency, unless its row says otherwise.
    """
    for scope, table in (("team", directory.teams), ("person", directory.users)):
        in_scope = [row for row in rows if row.values["scope"] == scope]
        known = directory.find(session, table, (row.values["member"] for row in in_scope))
        for row in in_scope:
            member = known.get(row.values.pop("member"))
            if member is None:
                row.refuse("member", f"No {scope} has this external id or name.")
            else:
                row.values["member_id"] = member
    base = base_currency(session)

    def create_row(session: Session, values: dict[str, Any]) -> Target:
        return create(session, {"measure": "sales"} | with_currency(values, base))

    upsert(session, Target, key, rows, create=create_row, change=change)
