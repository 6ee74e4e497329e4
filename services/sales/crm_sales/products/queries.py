"""What is asked about products."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from crm_sales.products.models import Product


def by_id(session: Session, ids: Iterable[str | None]) -> dict[str, Product]:
    """Those of these products that are there, by their ids."""
    wanted = {each for each in ids if each}
    found = session.scalars(select(Product).where(Product.id.in_(wanted))) if wanted else ()
    return {product.id: product for product in found}
