"""What can be done with products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.auth import Principal
from crm_chassis.imports import Row, upsert
from crm_sales.currencies.queries import base_currency, with_currency
from crm_sales.products import events
from crm_sales.products.models import Product


def create(session: Session, values: dict[str, Any]) -> Product:
    """Offer a new product."""
    product = Product(**values)
    session.add(product)
    events.product_created(session, product)
    return product


def change(session: Session, product: Product, changes: dict[str, Any]) -> bool:
    """Change the given fields.

    :returns: False when they were so already; then nothing is told.
    """
    if not change_fields(product, changes):
        return False
    events.product_changed(session, product)
    return True


def import_rows(session: Session, _principal: Principal, key: str, rows: Sequence[Row]) -> None:
    """Upsert products by ``external_id``."""
    base = base_currency(session)

    def create_row(session: Session, values: dict[str, Any]) -> Product:
        return create(session, with_currency(values, base))

    upsert(session, Product, key, rows, create=create_row, change=change)
