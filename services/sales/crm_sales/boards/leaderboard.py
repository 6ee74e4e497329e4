"""Who leads in a month: what people or teams have brought in, beside what they were to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from crm_chassis import directory
from crm_chassis.auth import Principal
from crm_chassis.problems import invalid
from crm_sales.members import PERSON, names, people_reached, teams_reached
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders.models import Order
from crm_sales.receipts.models import Receipt
from crm_sales.targets.models import Target

_RATE = Decimal("0.000001")

Sums = dict[str, dict[str, Decimal]]
"""Currency to member to amount."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """What is compared.

    :ivar of: the aggregate that is summed up, which is somebody's.
    :ivar day: the business day that places it in a month; there is an index on it.
    :ivar value: of a member: an amount in a currency, or a number.
    :ivar target: the measure of the targets it is held against, if there are such.
    """

    of: type[Any]
    unit: Literal["money", "count"]
    day: InstrumentedAttribute[Any]
    counted: ColumnElement[bool]
    value: ColumnElement[Any]
    target: str | None = None


_WON = Opportunity.stage_type == "won"

MEASURES: Mapping[str, Measure] = {
    "sales": Measure(
        of=Opportunity,
        unit="money",
        day=Opportunity.closed_on,
        counted=_WON,
        value=func.sum(Opportunity.amount),
        target="sales",
    ),
    "receipts": Measure(
        of=Receipt,
        unit="money",
        day=Receipt.received_on,
        counted=Receipt.status == "recorded",
        value=func.sum(Receipt.amount),
        target="receipts",
    ),
    "orders": Measure(
        of=Order,
        unit="count",
        day=Order.placed_on,
        counted=Order.status != "cancelled",
        value=func.count(),
    ),
    "won_count": Measure(
        of=Opportunity,
        unit="count",
        day=Opportunity.closed_on,
        counted=_WON,
        value=func.count(),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A leaderboard that is asked for.

    :ivar month: its first and its last day.
    :ivar scope: ``person`` or ``team``.
    :ivar currency: of the amounts; None for the only one there is.
    """

    measure: str
    month: tuple[date, date]
    scope: str
    currency: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A member's place.

    :ivar rank: 1 for the greatest value; equal values share one, and those behind them stand behind
        all of them.
    :ivar target: None where none is set.
    :ivar completion: value / target; None without a target, or at one of zero.
    :ivar gap: what is missing to the rank before; None for the first.
    """

    rank: int
    member_id: str
    name: str | None
    value: Decimal | int
    target: Decimal | None
    completion: Decimal | None
    gap: Decimal | int | None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All places, best first; the currency is None where there are no amounts."""

    places: list[Place]
    currency: str | None


def leaderboard(
    session: Session, principal: Principal, permission: str, asked: Asked
) -> Leaderboard:
    """The members whom the permission reaches and who have a value or a target.

    :raises Problem: 422 when amounts are in several currencies and none of them is named.
    """
    measure = MEASURES[asked.measure]
    board = _Board(session, principal, permission, asked, measure)
    if measure.unit == "count":
        return Leaderboard(board.places(board.counts(), {}), asked.currency)
    amounts, targets = board.amounts(), board.targets()
    currency = _currency(asked, amounts.keys() | targets.keys())
    of_members = amounts.get(currency or "", {})
    aims = targets.get(currency or "", {})
    return Leaderboard(board.places(of_members, aims), currency)


@dataclass(frozen=True, slots=True)
class _Board:
    session: Session
    principal: Principal
    permission: str
    asked: Asked
    measure: Measure

    def counts(self) -> dict[str, int]:
        member = self._member
        found = self.session.execute(self._values(member, self.measure.value).group_by(member))
        return dict(found.tuples().all())

    def amounts(self) -> Sums:
        member, currency = self._member, self.measure.of.currency
        statement = self._values(currency, member, self.measure.value)
        return _by_currency(self.session, statement.group_by(currency, member))

    def _values(self, *columns: Any) -> Select[Any]:
        first, last = self.asked.month
        statement = select(*columns).where(
            self.measure.counted,
            self.measure.day.between(first, last),
            self._member.is_not(None),
            self._reached(self._member),
        )
        return self._in_currency(statement, self.measure.of)

    def targets(self) -> Sums:
        """What is set for each; for a team without a target of its own, the sum of its people's."""
        own = self._aims(Target.member_id, self.asked.scope)
        found = _by_currency(self.session, own.where(self._reached(Target.member_id)))
        if self.asked.scope == PERSON:
            return found
        team = directory.users.c.team_id
        of_people = self._aims(team, PERSON).join(
            directory.users, directory.users.c.id == Target.member_id
        )
        summed = _by_currency(self.session, of_people.where(self._reached(team)))
        return {
            currency: summed.get(currency, {}) | found.get(currency, {})
            for currency in summed.keys() | found.keys()
        }

    def _aims(self, member: Any, scope: str) -> Select[Any]:
        statement = select(Target.currency, member, func.sum(Target.amount)).where(
            Target.month == self.asked.month[0].strftime("%Y-%m"),
            Target.scope == scope,
            Target.measure == self.measure.target,
        )
        return self._in_currency(statement, Target).group_by(Target.currency, member)

    def places(self, values: Mapping[str, Any], targets: Mapping[str, Decimal]) -> list[Place]:
        members = dict.fromkeys(targets, Decimal(0)) | dict(values)
        called = names(self.session, self.asked.scope, members)
        order = sorted(members, key=lambda id_: (-members[id_], called.get(id_, ""), id_))
        places: list[Place] = []
        rank, before = 1, None
        for number, member in enumerate(order, start=1):
            value, target = members[member], targets.get(member)
            if places and value < places[-1].value:
                rank, before = number, places[-1].value
            places.append(
                Place(
                    rank=rank,
                    member_id=member,
                    name=called.get(member),
                    value=value,
                    target=target,
                    completion=(value / target).quantize(_RATE) if target else None,
                    gap=None if before is None else before - value,
                )
            )
        return places

    @property
    def _member(self) -> Any:
        of = self.measure.of
        return of.owner_id if self.asked.scope == PERSON else of.team_id

    def _reached(self, member: Any) -> ColumnElement[bool]:
        reached = people_reached if self.asked.scope == PERSON else teams_reached
        return reached(self.principal, self.permission, member)

    def _in_currency(self, statement: Select[Any], of: Any) -> Select[Any]:
        if self.asked.currency is None:
            return statement
        return statement.where(of.currency == self.asked.currency)


def _by_currency(session: Session, statement: Select[Any]) -> Sums:
    found: Sums = {}
    for currency, member, amount in session.execute(statement):
        found.setdefault(currency, {})[member] = amount
    return found


def _currency(asked: Asked, found: set[str]) -> str | None:
    if asked.currency is not None:
        return asked.currency
    if len(found) > 1:
        choice = ", ".join(sorted(found))
        raise invalid(("currency", f"There are amounts in several: name one of {choice}."))
    return next(iter(found), None)
