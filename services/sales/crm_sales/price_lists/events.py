"""What is told of price lists."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.price_lists.models import PriceList


def _state(price_list: PriceList) -> dict[str, Any]:
    valid_to = price_list.valid_to
    return {
        "id": price_list.id,
        "external_id": price_list.external_id,
        "name": price_list.name,
        "currency": price_list.currency,
        "valid_from": price_list.valid_from.isoformat(),
        "valid_to": valid_to.isoformat() if valid_to else None,
        "team_id": price_list.team_id,
        "segment": price_list.segment,
        "active": price_list.active,
    }


def price_list_created(session: Session, price_list: PriceList) -> None:
    record(session, "crm.sales.price_list.created.v1", price_list, _state)


def price_list_changed(session: Session, price_list: PriceList) -> None:
    record(session, "crm.sales.price_list.changed.v1", price_list, _state)


def product_priced(
    session: Session, price_list: PriceList, product_id: str, breaks: Mapping[Decimal, Decimal]
) -> None:
    """All prices that one product has in a list from now on, by the quantity they begin at."""
    record(
        session,
        "crm.sales.price_list.product_priced.v1",
        price_list,
        _state,
        change={
            "product_id": product_id,
            "prices": [
                {"from_quantity": decimal_text(quantity), "unit_price": decimal_text(unit_price)}
                for quantity, unit_price in sorted(breaks.items())
            ],
        },
    )
