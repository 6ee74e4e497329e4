"""A customer's behaviour as it is told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_customer.behaviour.models import customer_figures

_DAYS_A_MONTH = Decimal("30.436875")  # the mean of the Gregorian calendar


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How a customer behaves.

    :ivar visits: interactions of the kind visit.
    :ivar orders: those that were not cancelled; :ivar order_days: the days on which one was placed.
    :ivar spend: by currency, less what came back; :ivar currency: that of most orders.
    :ivar products: the preferred ones, best first, each with its ``quantity``.
    """

    visits: int
    orders: int
    order_days: int
    first_order_on: date | None
    last_order_on: date | None
    currency: str | None
    spend: dict[str, Decimal]
    products: list[dict[str, Any]]

    @property
    def purchase_cycle_days(self) -> Decimal | None:
        """The mean gap between order days; None below two of them."""
        if self.order_days < 2 or self.first_order_on is None or self.last_order_on is None:
            return None
        return Decimal((self.last_order_on - self.first_order_on).days) / (self.order_days - 1)

    @property
    def line(self) -> str:
        """Visits, purchases, spend, purchase cycle and products on one line, ``-`` for none.

        ``5 | 2 | 1000 | 3 months | A, B``
        """
        names = [product["name"] for product in self.products if product["name"]]
        parts = [str(self.visits), str(self.orders), self._spend, self._cycle, ", ".join(names)]
        return " | ".join(part or "-" for part in parts)

    @property
    def _spend(self) -> str:
        if len(self.spend) == 1:
            return _plain(next(iter(self.spend.values())))
        return ", ".join(f"{_plain(amount)} {name}" for name, amount in self.spend.items())

    @property
    def _cycle(self) -> str:
        days = self.purchase_cycle_days
        if days is None:
            return ""
        months = round(days / _DAYS_A_MONTH)
        return _counted(months, "month") if months else _counted(round(days), "day")


def _plain(amount: Decimal) -> str:
    """An amount without the zeros that say nothing: ``1000``, ``12.50``."""
    text = decimal_text(amount) or ""
    return text.removesuffix(".00")


def _counted(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def behaviour_of(session: Session, customer_id: str, visits: int) -> Behaviour:
    """The figures of one customer; zeros when nothing was told of it."""
    figures = session.execute(
        select(customer_figures).where(customer_figures.c.customer_id == customer_id)
    ).one_or_none()
    if figures is None:
        return Behaviour(visits, 0, 0, None, None, None, {}, [])
    return Behaviour(
        visits,
        figures.orders,
        figures.order_days,
        figures.first_order_on,
        figures.last_order_on,
        figures.currency,
        {name: Decimal(amount) for name, amount in figures.spend.items()},
        [row | {"quantity": Decimal(row["quantity"])} for row in figures.products],
    )
