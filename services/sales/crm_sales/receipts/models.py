"""What a customer paid, and what it counts for."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Key, new_id
from crm_chassis.problems import conflict
from crm_sales.tables import Tables

STATUSES = ("recorded", "reversed")

_NOTHING = Decimal(0)


class Receipt(Versioned, Owned, Tables):
    """Money that came in. Until it is reversed it is what is allocated and what is not.

    :ivar order_id: the order it was paid for; it may count for others as well.
    :ivar unallocated_amount: what counts for no order: the customer's credit.
    """

    __tablename__ = "receipts"
    __table_args__ = (
        CheckConstraint(
            "unallocated_amount >= 0 AND unallocated_amount <= amount", name="receipts_amounts"
        ),
        Index("receipts_by_received_on", "received_on", "id"),
        Index("receipts_by_amount", "amount", "id"),
        Index("receipts_by_order", "order_id", "received_on", "id"),
        Index("receipts_by_invoice", "invoice_id", "received_on", "id"),
        Index("receipts_by_account", "account_id", "received_on", "id"),
        Index("receipts_by_contact", "contact_id", "received_on", "id"),
        Index("receipts_by_owner", "owner_id", "received_on", "id"),
        Index("receipts_by_team", "team_id", "received_on", "id"),
        Index("receipts_by_reference", "reference", "received_on", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    order_id: Mapped[Id | None]
    invoice_id: Mapped[Id | None]
    amount: Mapped[Amount]
    unallocated_amount: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    received_on: Mapped[date]
    method: Mapped[str | None] = mapped_column(String(64))
    reference: Mapped[str | None] = mapped_column(String(200))
    status: Mapped[str] = mapped_column(String(10), default="recorded")
    reversed_on: Mapped[date | None]
    reverse_reason: Mapped[str | None] = mapped_column(String(100))
    allocations: Mapped[list[Allocation]] = relationship(
        order_by="Allocation.id", cascade="all, delete-orphan", back_populates="receipt"
    )

    def allocate(self, order_id: str, receivable_id: str | None, amount: Decimal) -> None:
        """Have part of it count for an order, by at most what counts for none."""
        self.unallocated_amount -= amount
        self.allocations.append(
            Allocation(order_id=order_id, receivable_id=receivable_id, amount=amount)
        )

    def release(self, allocation: Allocation, amount: Decimal) -> None:
        """Have part of an allocation, or all of it, count for no order again."""
        self.unallocated_amount += amount
        allocation.amount -= amount
        if allocation.amount == 0:
            self.allocations.remove(allocation)

    def reverse(self, on: date, reason: str) -> None:
        """Be as if it had not come in; what it counts for is the caller's to correct.

        :raises Problem: 409 when it was reversed before.
        """
        self.require_recorded()
        self.status, self.reversed_on, self.reverse_reason = "reversed", on, reason
        self.unallocated_amount = _NOTHING
        self.allocations.clear()

    def require_recorded(self) -> None:
        """:raises Problem: 409 when it was reversed."""
        if self.status != "recorded":
            raise conflict("The receipt is reversed.")


class Allocation(Tables):
    """What of a receipt counts for an order, and for which of its receivables if it has any."""

    __tablename__ = "receipt_allocations"
    __table_args__ = (
        CheckConstraint("amount > 0", name="receipt_allocations_amount"),
        Index("receipt_allocations_by_receipt", "receipt_id", "id"),
        Index("receipt_allocations_by_order", "order_id", "id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    receipt_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("receipts.id", ondelete="CASCADE")
    )
    receipt: Mapped[Receipt] = relationship(back_populates="allocations")
    order_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("orders.id", ondelete="CASCADE")
    )
    receivable_id: Mapped[Id | None]
    amount: Mapped[Amount]
