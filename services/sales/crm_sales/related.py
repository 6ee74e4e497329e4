"""What tasks, activities and comments are about, and who may see it.

An account or contact is here as the replica has it; ``sales.customers.read`` says how far somebody
sees them in this service.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import ColumnElement, FromClause, false, or_, select, true, union_all
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm_chassis.auth import current_principal, rows_in_scope
from crm_chassis.problems import invalid, not_found
from crm_sales import replicas
from crm_sales.contracts.models import Contract
from crm_sales.leads.models import Lead
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders.models import Order
from crm_sales.quotes.models import Quote
from crm_sales.requests.models import CustomerRequest
from crm_sales.reviews.models import ReviewDeal

CUSTOMERS_READ = "sales.customers.read"


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind of thing: its rows, with an owner and a team, and what reading them needs.

    :ivar account: its columns of the customer.
    :ivar others: columns of users who see it whatever their scope.
    :ivar within: the kind of the thing it is a part of, seen by those who see that as well.
    :ivar whole: its column of that thing.
    """

    rows: FromClause
    permission: str
    account: str | None = "account_id"
    contact: str | None = "contact_id"
    others: tuple[str, ...] = ()
    within: str | None = None
    whole: str = ""


_KINDS: dict[str, _Kind] = {
    "lead": _Kind(Lead.__table__, "sales.leads.read"),
    "opportunity": _Kind(Opportunity.__table__, "sales.opportunities.read"),
    "account": _Kind(replicas.accounts, CUSTOMERS_READ, account="id", contact=None),
    "contact": _Kind(replicas.contacts, CUSTOMERS_READ, contact="id"),
    "quote": _Kind(Quote.__table__, "sales.quotes.read"),
    "order": _Kind(Order.__table__, "sales.orders.read"),
    "contract": _Kind(Contract.__table__, "sales.contracts.read"),
    "request": _Kind(
        CustomerRequest.__table__,
        "sales.requests.read",
        others=("development_owner_id", "service_owner_id"),
    ),
    "review_deal": _Kind(
        ReviewDeal.__table__,
        "sales.reviews.read",
        account=None,
        contact=None,
        within="opportunity",
        whole="opportunity_id",
    ),
}
KINDS = tuple(_KINDS)


@dataclass(frozen=True, slots=True)
class Related:
    """The thing that something is about, and whose customer it concerns."""

    type: str
    id: str
    account_id: str | None
    contact_id: str | None

    def columns(self) -> dict[str, str | None]:
        """As the columns of a row that is about it."""
        return {
            "related_type": self.type,
            "related_id": self.id,
            "account_id": self.account_id,
            "contact_id": self.contact_id,
        }


def _in_reach(kind: _Kind) -> ColumnElement[bool]:
    principal, columns = current_principal(), cast(Any, kind.rows.c)
    if not principal.may(kind.permission):
        return false()
    reach = or_(
        rows_in_scope(principal, kind.permission, columns.owner_id, columns.team_id),
        *(columns[other] == principal.id for other in kind.others),
    )
    return reach & visible_id(kind.within, columns[kind.whole]) if kind.within else reach


def _all_in_reach(kind: _Kind) -> bool:
    everywhere = current_principal().scope_of(kind.permission) == "all"
    return everywhere and (kind.within is None or _all_in_reach(_KINDS[kind.within]))


def visible_id(type_: str, id_column: Any) -> ColumnElement[bool]:
    """The condition that a column has the id of a thing which the current principal may see."""
    kind = _KINDS[type_]
    if _all_in_reach(kind):
        return true()
    ids: ColumnElement[bool] = id_column.in_(select(kind.rows.c.id).where(_in_reach(kind)))
    return ids


def find(session: Session, type_: str, key: str) -> Related | None:
    """The thing, if the current principal may see it."""
    kind = _KINDS[type_]
    columns = kind.rows.c
    wanted = [columns[name] for name in (kind.account, kind.contact) if name]
    row = session.execute(
        select(columns.id, *wanted).where(columns.id == key, _in_reach(kind))
    ).one_or_none()
    if row is None:
        return None
    values = row._mapping
    return Related(
        type_,
        key,
        account_id=values[columns[kind.account]] if kind.account else None,
        contact_id=values[columns[kind.contact]] if kind.contact else None,
    )


def named(session: Session, type_: str, key: str, field: str = "related_id") -> Related:
    """The thing that a request names.

    :raises Problem: 422, whether it is not there or not visible.
    """
    found = find(session, type_, key)
    if found is None:
        raise invalid((field, f"No such {type_}."))
    return found


def seen(session: Session, type_: str, key: str) -> Related:
    """The thing whose parts are read.

    :raises Problem: 404, whether it is not there or not visible.
    """
    found = find(session, type_, key)
    if found is None:
        raise not_found(type_)
    return found


def visible_related(
    type_column: InstrumentedAttribute[Any],
    id_column: InstrumentedAttribute[Any],
    types: Iterable[str] = KINDS,
) -> ColumnElement[bool]:
    """The condition on rows that are about a thing which the current principal may see.

    The ids of all kinds are one set, so that the database may go from the things to the rows where
    that is the shorter way. Keys are unique over all kinds.
    """
    kinds = {type_: _KINDS[type_] for type_ in types}
    whole = [type_ for type_, kind in kinds.items() if _all_in_reach(kind)]
    if len(whole) == len(kinds):
        return true()
    principal = current_principal()
    parts = [
        select(kind.rows.c.id).where(_in_reach(kind))
        for type_, kind in kinds.items()
        if type_ not in whole and principal.may(kind.permission)
    ]
    conditions = [type_column.in_(whole)] if whole else []
    if parts:
        conditions.append(id_column.in_(union_all(*parts)))
    return or_(false(), *conditions)
