"""What a deal sells, line by line, and what that makes it worth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales import pricing
from crm_sales.currencies.queries import rate_book
from crm_sales.discounts.queries import Offered, check_discounts
from crm_sales.opportunities import events, forecast
from crm_sales.opportunities.models import LineItem, Opportunity
from crm_sales.opportunities.valuation import valued_by_lines
from crm_sales.price_lists.queries import Prices, prices_for
from crm_sales.products.models import Product
from crm_sales.products.queries import by_id

_ZERO = Decimal(0)
Values = dict[str, Any]


def set_lines(
    session: Session,
    principal: Principal,
    opportunity: Opportunity,
    lines: Sequence[Values],
    price_list_id: str | None,
    today: date,
) -> bool:
    """Have a deal sell these lines, and no others; its amount and quantity follow from them.

    A line without a price gets that of the price list, or else the product's list price. Without
    lines the deal keeps its amount.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 naming every line that is wrong, or lets off more than the principal may.
    """
    products = _products(session, opportunity, lines)
    prices = None
    if price_list_id is not None:
        prices = prices_for(
            session,
            price_list_id,
            products.keys(),
            currency=opportunity.currency,
            team_id=opportunity.team_id,
            on=today,
        )
    offers = [_Offer.of(opportunity, products, prices, values) for values in lines]
    _check_prices(offers, opportunity.currency)
    _check_discounts(session, principal, opportunity, offers)
    if not _place(opportunity, offers):
        return False
    with forecast.logged(session, opportunity):
        changes = valued_by_lines(
            opportunity, lambda currency: rate_book(session, [(currency, today)]), today
        )
        change_fields(opportunity, changes)
        opportunity.updated_at = utc_now()  # its lines are part of it: a new version
    events.opportunity_changed(session, opportunity)
    return True


def _products(
    session: Session, opportunity: Opportunity, lines: Sequence[Values]
) -> dict[str, Product]:
    products = by_id(session, (values["product_id"] for values in lines))
    sold_before = {line.product_id for line in opportunity.line_items}
    errors = []
    for place, values in enumerate(lines):
        product = products.get(values["product_id"])
        if product is None:
            errors.append((f"lines.{place}.product_id", "No such product."))
        elif not product.active and product.id not in sold_before:
            errors.append((f"lines.{place}.product_id", "Not sold any more."))
    if errors:
        raise invalid(*errors)
    return products


@dataclass(frozen=True, slots=True)
class _Offer:
    """A line as it is asked for.

    :ivar usual_price: what a unit costs by the price list or, without one, by the product; None
        when neither says it in the deal's currency.
    :ivar unit_price: what it shall cost; None when that is not known.
    """

    product_id: str
    description: str | None
    quantity: Decimal
    discount_percent: Decimal
    unit_price: Decimal | None
    usual_price: Decimal | None
    price_list_id: str | None

    @classmethod
    def of(
        cls,
        opportunity: Opportunity,
        products: Mapping[str, Product],
        prices: Prices | None,
        values: Values,
    ) -> _Offer:
        product, quantity = products[values["product_id"]], values["quantity"]
        listed = prices.unit_price(product.id, quantity) if prices else None
        if listed is not None:
            usual_price: Decimal | None = listed
        else:
            same = product.currency == opportunity.currency
            usual_price = product.list_price if same else None
        given = values.get("unit_price")
        from_list = prices is not None and listed is not None and given is None
        return cls(
            product_id=product.id,
            description=values.get("description"),
            quantity=quantity,
            discount_percent=values["discount_percent"],
            unit_price=usual_price if given is None else given,
            usual_price=usual_price,
            price_list_id=prices.price_list_id if prices and from_list else None,
        )

    @property
    def columns(self) -> Values:
        return {name: getattr(self, name) for name in _COLUMNS}


_COLUMNS = (
    "product_id",
    "description",
    "quantity",
    "discount_percent",
    "unit_price",
    "price_list_id",
)


def _check_prices(offers: Sequence[_Offer], currency: str) -> None:
    errors = [
        (f"lines.{place}.unit_price", f"Needed: there is no price of it in {currency}.")
        for place, offer in enumerate(offers)
        if offer.unit_price is None
    ]
    if errors:
        raise invalid(*errors)


def _check_discounts(
    session: Session, principal: Principal, opportunity: Opportunity, offers: Sequence[_Offer]
) -> None:
    """Hold new lines to the limit; those that stand as they are were somebody's to grant."""
    standing = [_columns(line) for line in opportunity.line_items]
    new = {
        place: Offered(offer.usual_price, offer.unit_price or _ZERO, offer.discount_percent)
        for place, offer in enumerate(offers)
        if offer.columns not in standing
    }
    check_discounts(session, principal, new)


def _columns(line: LineItem) -> Values:
    return {name: getattr(line, name) for name in _COLUMNS}


def _place(opportunity: Opportunity, offers: Sequence[_Offer]) -> bool:
    """Have these lines, in this order; a line that was there stays the same one.

    :returns: False when it was so already.
    """
    standing = list(opportunity.line_items)
    if [_columns(line) for line in standing] == [offer.columns for offer in offers]:
        return False
    totals = pricing.price([_priced_line(offer) for offer in offers], opportunity.currency)
    placed = []
    for position, (offer, total) in enumerate(zip(offers, totals.lines, strict=True), 1):
        same = next((line for line in standing if _columns(line) == offer.columns), None)
        if same is None:
            line = LineItem(id=new_id(), total=total.total, **offer.columns)
        else:
            line = same
            standing.remove(same)
        line.position = position
        placed.append(line)
    opportunity.line_items = placed
    return True


def _priced_line(offer: _Offer) -> pricing.Line:
    return pricing.Line(offer.quantity, offer.unit_price or _ZERO, offer.discount_percent)
