"""Which interactions a principal reaches, and what they amount to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Select,
    and_,
    case,
    exists,
    false,
    func,
    or_,
    select,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm_chassis.auth import Principal, current_principal, rows_in_scope
from crm_customer import replicas
from crm_customer.accounts.models import Account
from crm_customer.accounts.queries import READ as READ_ACCOUNTS
from crm_customer.contacts.models import Contact
from crm_customer.interactions.models import Interaction
from crm_customer.kinds import CONTACT

READ, WRITE = "customer.interactions.read", "customer.interactions.write"
READ_CONTACTS = CONTACT.read

_DAY_SECONDS = 86_400


def visible_interactions(statement: Select[Any], permission: str) -> Select[Any]:
    """``statement`` less the interactions that the current principal may not reach.

    To read is to see those of one's own scope, and those with the customers one sees: whoever
    takes over a customer has its past. To change takes the scope alone.
    """
    principal = current_principal()
    own = rows_in_scope(principal, permission, Interaction.owner_id, Interaction.team_id)
    if permission != READ or principal.scope_of(permission) == "all":
        return statement.where(own)
    return statement.where(
        or_(
            own,
            _with_visible(principal, Interaction.account_id, Account, READ_ACCOUNTS),
            _with_visible(principal, Interaction.contact_id, Contact, READ_CONTACTS),
        )
    )


def _with_visible(
    principal: Principal, key: InstrumentedAttribute[Any], model: type[Any], permission: str
) -> ColumnElement[bool]:
    if not principal.may(permission):
        return false()
    in_scope = rows_in_scope(principal, permission, model.owner_id, model.team_id)
    return exists().where(model.id == key, in_scope).correlate(Interaction)


@dataclass(frozen=True, slots=True)
class Figures:
    """What interactions amount to: of one channel, or of all of them.

    :ivar mean_gap_days: from one to the next, None below two.
    :ivar reply_rate: sent e-mails that were answered / sent; :ivar open_rate: likewise.
    :ivar mean_call_seconds: of the calls that were taken, and whose length is known.
    """

    channel: str | None
    count: int
    last_at: datetime | None
    mean_gap_days: float | None
    reply_rate: float | None
    open_rate: float | None
    mean_call_seconds: float | None


def figures(session: Session, customer: ColumnElement[bool]) -> tuple[Figures, Sequence[Figures]]:
    """The figures of all interactions of a customer that the current principal may see.

    :param customer: the condition that they are the customer's.
    :returns: of all of them, and by channel.
    """
    table = Interaction
    sent = and_(table.kind == "email", table.direction == "out")
    taken = and_(table.kind == "call", table.seconds > 0)
    statement = visible_interactions(
        select(
            table.channel,
            func.count().label("count"),
            func.min(table.occurred_at).label("first_at"),
            func.max(table.occurred_at).label("last_at"),
            _count(sent).label("sent"),
            _count(and_(sent, table.replied_at.is_not(None))).label("replied"),
            _count(and_(sent, table.opened_at.is_not(None))).label("opened"),
            _count(taken).label("taken"),
            func.coalesce(func.sum(case((taken, table.seconds))), 0).label("seconds"),
        ),
        READ,
    )
    rows = [
        dict(row._mapping)
        for row in session.execute(
            statement.where(customer).group_by(table.channel).order_by(table.channel)
        )
    ]
    return _figures_of(None, rows), [_figures_of(row["channel"], [row]) for row in rows]


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.count(case((condition, 1)))


def _figures_of(channel: str | None, rows: Sequence[dict[str, Any]]) -> Figures:
    total = {
        name: sum(int(row[name]) for row in rows)
        for name in ("count", "sent", "replied", "opened", "taken", "seconds")
    }
    first = min((row["first_at"] for row in rows), default=None)
    last = max((row["last_at"] for row in rows), default=None)
    gaps = total["count"] - 1
    days = (last - first).total_seconds() / _DAY_SECONDS if first and last else 0.0
    return Figures(
        channel,
        total["count"],
        last,
        _ratio(days, max(gaps, 0)),
        _ratio(total["replied"], total["sent"]),
        _ratio(total["opened"], total["sent"]),
        _ratio(total["seconds"], total["taken"]),
    )


def _ratio(part: float, whole: float) -> float | None:
    return round(part / whole, 4) if whole else None


def conversion(
    session: Session, customer: ColumnElement[bool], name: str, to: str, within_days: int
) -> float | None:
    """The share of a customer's interactions that something came of.

    An interaction whose days are not over counts as well: what is not there yet may still come.

    :param name: ``account_id`` or ``contact_id``, by which customer and outcome are matched.
    :param to: ``order`` placed, cancelled ones not counted, or ``win`` of a deal.
    :returns: None when there was no interaction.
    """
    source, day, counts = _OUTCOMES[to]
    last_day = _days_later(session, Interaction.occurred_on, within_days)
    outcome = exists().where(
        source.c[name] == getattr(Interaction, name),
        counts,
        source.c[day] >= Interaction.occurred_on,
        source.c[day] <= last_day,
    )
    statement = visible_interactions(select(func.count(), _count(outcome)), READ)
    count, converted = session.execute(statement.where(customer)).one()
    return _ratio(converted, count)


_OUTCOMES: dict[str, tuple[FromClause, str, ColumnElement[bool]]] = {
    "order": (replicas.orders, "placed_on", replicas.orders.c.status != "cancelled"),
    "win": (replicas.deals, "closed_on", replicas.deals.c.stage_type == "won"),
}


def _days_later(session: Session, day: InstrumentedAttribute[Any], days: int) -> ColumnElement[Any]:
    if session.get_bind().dialect.name == "sqlite":
        return func.date(day, f"+{days} days")
    return day + timedelta(days=days)
