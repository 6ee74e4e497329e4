"""What a customer is billed for an order, in whole or by instalment."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id
from crm_chassis.problems import conflict
from crm_sales.numbers import Numbered
from crm_sales.receivables.models import Receivable
from crm_sales.tables import Tables

STATUSES = ("issued", "paid", "void")


class InvoiceNumber(Numbered, Tables):
    """Gives out the numbers of invoices."""

    __tablename__ = "invoice_numbers"


class Invoice(Versioned, Owned, Tables):
    """A bill. Its amounts stay as they were issued; what is open of it, its receivables say.

    It belongs to who the order belongs to.

    :ivar subtotal: after discount, before tax.
    """

    __tablename__ = "invoices"
    __table_args__ = (
        Index("invoices_by_issued_on", "issued_on", "id"),
        Index("invoices_by_due_on", "due_on", "id"),
        Index("invoices_by_order", "order_id", "issued_on", "id"),
        Index("invoices_by_account", "account_id", "issued_on", "id"),
        Index("invoices_by_contact", "contact_id", "issued_on", "id"),
        Index("invoices_by_owner", "owner_id", "issued_on", "id"),
        Index("invoices_by_team", "team_id", "issued_on", "id"),
        Index("invoices_by_status", "status", "issued_on", "id"),
    )

    number: Mapped[str] = mapped_column(String(32), unique=True)
    order_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("orders.id", ondelete="CASCADE")
    )
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    currency: Mapped[str] = mapped_column(String(3))
    subtotal: Mapped[Amount]
    tax: Mapped[Amount]
    total: Mapped[Amount]
    issued_on: Mapped[date]
    due_on: Mapped[date]
    status: Mapped[str] = mapped_column(String(10), default="issued")
    void_reason: Mapped[str | None] = mapped_column(String(100))

    def follow(self, receivables: Sequence[Receivable]) -> bool:
        """Be paid when nothing of its receivables is open.

        :returns: False when it says so already.
        """
        open_ = any(receivable.open_amount > 0 for receivable in receivables)
        status = "issued" if open_ else "paid"
        if self.status in ("void", status):
            return False
        self.status = status
        return True

    def void(self, receivables: Sequence[Receivable], reason: str) -> None:
        """Be taken back.

        :raises Problem: 409 when it was before, or something was paid on it.
        """
        if self.status == "void":
            raise conflict("The invoice is void.")
        if any(receivable.paid_amount > 0 for receivable in receivables):
            raise conflict("Something was paid on the invoice: reverse the receipts first.")
        self.status, self.void_reason = "void", reason
