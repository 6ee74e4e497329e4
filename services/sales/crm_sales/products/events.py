"""What is told of products."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import decimal_text
from crm_chassis.outbox import record
from crm_sales.products.models import Product


def product_state(product: Product) -> dict[str, Any]:
    return {
        "id": product.id,
        "external_id": product.external_id,
        "name": product.name,
        "series": product.series,
        "list_price": decimal_text(product.list_price),
        "currency": product.currency,
        "active": product.active,
    }


def product_created(session: Session, product: Product) -> None:
    record(session, "crm.sales.product.created.v1", product, product_state)


def product_changed(session: Session, product: Product) -> None:
    record(session, "crm.sales.product.changed.v1", product, product_state)
