"""What somebody may let off."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_chassis.problems import invalid
from crm_sales.discounts.models import DiscountLimit

_HUNDRED = Decimal(100)


@dataclass(frozen=True, slots=True)
class Offered:
    """What a line is sold for.

    :ivar usual_price: what a unit costs otherwise, in the same currency; None when nothing says.
    :ivar unit_price: what it costs here, before the discount.
    """

    usual_price: Decimal | None
    unit_price: Decimal
    discount_percent: Decimal

    def refusal(self, limit: Decimal) -> tuple[str, str] | None:
        """The field that lets off more than ``limit`` percent, and why; None when none does.

        A price below the usual one lets off as much as a discount does.
        """
        if self.discount_percent > limit:
            return "discount_percent", f"You may let off {limit:f} %."
        usual = self.unit_price if self.usual_price is None else self.usual_price
        costs = self.unit_price * (_HUNDRED - self.discount_percent)
        if costs < usual * (_HUNDRED - limit):
            return "unit_price", f"Lets off more than {limit:f} % of the price."
        return None


def check_discounts(session: Session, principal: Principal, lines: Mapping[int, Offered]) -> None:
    """Refuse lines that let off more than the principal may.

    :param lines: by their places in the request.
    :raises Problem: 422 naming each of them.
    """
    limit = _limit_of(session, principal)
    if limit is None:
        return
    errors = [
        (f"lines.{place}.{refused[0]}", refused[1])
        for place, line in lines.items()
        if (refused := line.refusal(limit))
    ]
    if errors:
        raise invalid(*errors)


def limit_to_set(session: Session, role: str) -> DiscountLimit:
    """The limit of a role, locked; of version 0, and not stored, before it is first set."""
    statement = select(DiscountLimit).where(DiscountLimit.role == role).with_for_update()
    found = session.scalars(statement).one_or_none()
    return found or DiscountLimit(role=role, version=0)


def _limit_of(session: Session, principal: Principal) -> Decimal | None:
    """The most, in percent, that a principal may let off a line; None for no limit.

    It is the widest limit of the principal's roles. As long as no role has a limit nobody has one;
    from the first one on, roles without one let nothing off.
    """
    limits = session.scalars(
        select(DiscountLimit.max_percent).where(DiscountLimit.role.in_(principal.roles))
    ).all()
    if limits:
        return None if None in limits else max(limit for limit in limits if limit is not None)
    return Decimal(0) if session.scalar(select(exists(select(DiscountLimit.id)))) else None
