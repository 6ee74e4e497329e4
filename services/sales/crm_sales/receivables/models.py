"""What a customer is to pay of an order by a day."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant
from crm_sales.tables import Tables

STATUSES = ("pending", "partial", "done", "overdue", "void")

_NOTHING = Decimal(0)


class Receivable(Versioned, Owned, Tables):
    """An instalment of an order, or all of it. Those of an order add up to what it is to bring in.

    It belongs to who the order belongs to.

    :ivar position: its place in the plan, from 1.
    :ivar due_on: the last day on which it is paid in time.
    :ivar overdue_at: when that day is over where the business is.
    """

    __tablename__ = "receivables"
    __table_args__ = (
        CheckConstraint("paid_amount >= 0 AND paid_amount <= amount", name="receivables_amounts"),
        Index("receivables_by_due_on", "due_on", "id"),
        Index("receivables_by_order", "order_id", "position"),
        Index("receivables_by_invoice", "invoice_id", "due_on", "id"),
        Index("receivables_by_account", "account_id", "due_on", "id"),
        Index("receivables_by_contact", "contact_id", "due_on", "id"),
        Index("receivables_by_owner", "owner_id", "due_on", "id"),
        Index("receivables_by_team", "team_id", "due_on", "id"),
        Index("receivables_by_status", "status", "due_on", "id"),
    )

    order_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("orders.id", ondelete="CASCADE")
    )
    invoice_id: Mapped[Id | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    position: Mapped[int]
    due_on: Mapped[date]
    overdue_at: Mapped[Instant]
    amount: Mapped[Amount]
    paid_amount: Mapped[Amount] = mapped_column(default=_NOTHING)
    currency: Mapped[str] = mapped_column(String(3))
    status: Mapped[str] = mapped_column(String(10), default="pending")

    @property
    def open_amount(self) -> Decimal:
        """What is still to be paid."""
        return _NOTHING if self.status == "void" else self.amount - self.paid_amount

    def receive(self, amount: Decimal) -> None:
        """Count a payment of at most what is open; one that is late stays late until all is."""
        self.paid_amount += amount
        self._restate(late=self.status == "overdue")

    def give_back(self, amount: Decimal) -> None:
        """Have a payment not count any more; whether it is late by now is for its timer to say."""
        self.paid_amount -= amount
        self._restate(late=False)

    def lower(self, amount: Decimal) -> None:
        """Have less to pay by it, by at most what is open; without an amount it is void."""
        self.amount -= amount
        self._restate(late=self.status == "overdue")

    def void(self) -> None:
        """Have nothing to be paid by it any more."""
        self.status = "void"

    def be_late(self) -> bool:
        """Be overdue, if it still waits.

        :returns: False when it does not.
        """
        if self.status not in ("pending", "partial"):
            return False
        self.status = "overdue"
        return True

    def _restate(self, *, late: bool) -> None:
        if self.amount == 0:
            self.status = "void"
        elif self.open_amount == 0:
            self.status = "done"
        elif late:
            self.status = "overdue"
        else:
            self.status = "partial" if self.paid_amount > 0 else "pending"
