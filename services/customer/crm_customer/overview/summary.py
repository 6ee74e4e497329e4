"""How all customers behave together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Float,
    Numeric,
    Select,
    Text,
    case,
    cast,
    extract,
    func,
    select,
    true,
)
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal, visible
from crm_customer.behaviour.models import customer_figures
from crm_customer.kinds import KINDS, Kind

_SECONDS_A_DAY = 86_400
_PARTS = 10_000  # amounts have four places

_figures = customer_figures.c
_cycle = extract("epoch", _figures.last_order_on) - extract("epoch", _figures.first_order_on)
_gaps = _figures.order_days - 1


@dataclass(frozen=True, slots=True)
class Summary:
    """How the customers of one kind behave who ordered at least once.

    :ivar repeat_customers: those with order days of two or more.
    :ivar order_days: of each customer, together: a customer's orders of one day count once.
    :ivar gap_days: days between a customer's order days that follow one another, together.
    :ivar cycle_days: the purchase cycles of the repeat customers, together.
    :ivar spend: by currency, less what came back.
    """

    customer_type: str
    customers: int
    repeat_customers: int
    orders: int
    order_days: int
    gap_days: int
    cycle_days: float
    spend: dict[str, Decimal] = field(default_factory=dict)

    @property
    def repeat_rate(self) -> float | None:
        return self.repeat_customers / self.customers if self.customers else None

    @property
    def mean_gap_days(self) -> float | None:
        """Of all gaps alike, so that who orders often weighs more."""
        gaps = self.order_days - self.customers
        return self.gap_days / gaps if gaps else None

    @property
    def mean_cycle_days(self) -> float | None:
        """Of all repeat customers alike."""
        return self.cycle_days / self.repeat_customers if self.repeat_customers else None


def summaries(session: Session, currency: str | None) -> list[Summary]:
    """The figures of accounts and of contacts, as far as the current principal may see them.

    An order of an account and a contact counts for both.

    :param currency: only of customers who order mostly in it.
    """
    return [
        _summary(session, kind, currency)
        for kind in KINDS.values()
        if current_principal().may(kind.read)
    ]


def _summary(session: Session, kind: Kind, currency: str | None) -> Summary:
    days = cast(_cycle, BigInteger) // _SECONDS_A_DAY
    row = session.execute(
        _of(
            kind,
            currency,
            func.count(),
            func.count(case((_gaps > 0, 1))),
            func.sum(_figures.orders),
            func.sum(_figures.order_days),
            func.sum(days),
            func.sum(case((_gaps > 0, cast(days, Float) / _gaps))),
        )
    ).one()
    counts = [int(value or 0) for value in row[:5]]
    spend = dict(_spend(session, kind, currency))
    return Summary(kind.name, *counts, float(row[5] or 0), spend)


def _of(kind: Kind, currency: str | None, *columns: ColumnElement[Any]) -> Select[Any]:
    """What is selected of the figures of customers who ordered and may be seen."""
    model = kind.model
    statement = (
        select(*columns)
        .select_from(customer_figures)
        .join(model, model.id == _figures.customer_id)
        .where(_figures.orders > 0)
    )
    if currency is not None:
        statement = statement.where(_figures.currency == currency)
    return visible(statement, model, kind.read)


def _spend(session: Session, kind: Kind, currency: str | None) -> Iterator[tuple[str, Decimal]]:
    on_sqlite = session.get_bind().dialect.name == "sqlite"
    each = func.json_each if on_sqlite else func.jsonb_each_text
    amounts = each(_figures.spend).table_valued("key", "value")
    parts = cast(func.round(cast(cast(amounts.c.value, Text), Numeric) * _PARTS), BigInteger)
    key = amounts.c.key
    statement = _of(kind, currency, key, func.sum(parts)).join(amounts, true())
    for name, total in session.execute(statement.group_by(key).order_by(key)):
        yield name, Decimal(int(total)) / _PARTS
