"""What is asked about receipts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from crm_sales.receipts.models import Allocation, Receipt


def by_external_id(session: Session, external_id: str) -> Receipt | None:
    """The receipt that another system knows by this key."""
    return session.scalars(select(Receipt).where(Receipt.external_id == external_id)).one_or_none()


def order_ids(session: Session, receipt_id: str) -> Sequence[str]:
    """The orders that a receipt counts for."""
    return session.scalars(
        select(Allocation.order_id).where(Allocation.receipt_id == receipt_id).distinct()
    ).all()


def locked(session: Session, receipt_ids: Iterable[str]) -> dict[str, Receipt]:
    """Receipts as they are now, locked; whoever asks for them holds the orders they count for."""
    found = session.scalars(
        select(Receipt)
        .where(Receipt.id.in_(set(receipt_ids)))
        .order_by(Receipt.id)
        .with_for_update()
        .options(selectinload(Receipt.allocations))
        .execution_options(populate_existing=True)
    )
    return {receipt.id: receipt for receipt in found}


def allocations(session: Session, order_id: str) -> Sequence[Allocation]:
    """What counts for an order, the newest first."""
    return session.scalars(
        select(Allocation).where(Allocation.order_id == order_id).order_by(Allocation.id.desc())
    ).all()


def paid_orders(session: Session, order_ids: Iterable[str]) -> set[str]:
    """Those of the orders that receipts count for."""
    statement = select(Allocation.order_id).where(Allocation.order_id.in_(set(order_ids)))
    return set(session.scalars(statement.distinct()))
