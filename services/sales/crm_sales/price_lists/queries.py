"""What is asked about price lists."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.problems import invalid
from crm_sales.price_lists.models import Price, PriceList


@dataclass(frozen=True, slots=True)
class Prices:
    """Prices of some products in a price list.

    :ivar breaks: product to its prices as (quantity from which, price of a unit), in order.
    """

    price_list_id: str
    breaks: Mapping[str, Sequence[tuple[Decimal, Decimal]]] = field(default_factory=dict)

    def unit_price(self, product_id: str, quantity: Decimal) -> Decimal | None:
        """What a unit costs when so many are bought, or None when the list does not say."""
        known = self.breaks.get(product_id, ())
        place = bisect_right(known, quantity, key=lambda entry: entry[0])
        return known[place - 1][1] if place else None


def prices_for(
    session: Session,
    price_list_id: str,
    product_ids: Collection[str],
    *,
    currency: str,
    team_id: str | None,
    on: date,
) -> Prices:
    """The prices of some products in a list that is to be used on a deal.

    :raises Problem: 422 for a list that is unknown, of another currency or team, or not valid on
        the day.
    """
    price_list = session.get(PriceList, price_list_id)
    if price_list is None:
        raise invalid(("price_list_id", "No such price list."))
    if price_list.currency != currency:
        raise invalid(("price_list_id", f"Its prices are in {price_list.currency}."))
    if not price_list.is_valid(on):
        raise invalid(("price_list_id", f"Not valid on {on}."))
    if not _is_for(session, price_list, team_id):
        raise invalid(("price_list_id", "For the deals of another team."))
    found = session.execute(
        select(Price.product_id, Price.from_quantity, Price.unit_price)
        .where(Price.price_list_id == price_list_id, Price.product_id.in_(product_ids))
        .order_by(Price.from_quantity)
    )
    breaks: dict[str, list[tuple[Decimal, Decimal]]] = defaultdict(list)
    for product_id, from_quantity, unit_price in found:
        breaks[product_id].append((from_quantity, unit_price))
    return Prices(price_list_id, breaks)


def _is_for(session: Session, price_list: PriceList, team_id: str | None) -> bool:
    if price_list.team_id in (None, team_id):
        return True
    if price_list.team_id is None or team_id is None:
        return False
    return team_id in session.scalars(directory.subtree(price_list.team_id)).all()
