"""An order on its way from being placed to being completed, and what of it came back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, new_id
from crm_chassis.problems import conflict, invalid
from crm_sales import pricing
from crm_sales.numbers import Numbered
from crm_sales.tables import Tables

STATUSES = ("placed", "paid", "fulfilled", "completed", "cancelled")
RETURN_STATUSES = ("none", "partial", "whole")

_NOTHING = Decimal(0)


class OrderSettings(Versioned, Tables):
    """The rules for orders that managers set: one row, there from the first migration on.

    :ivar unpaid_after_hours: how long an order may wait for its payment.
    """

    __tablename__ = "order_settings"

    unpaid_after_hours: Mapped[int]


class OrderNumber(Numbered, Tables):
    """Gives out the numbers of orders."""

    __tablename__ = "order_numbers"


@dataclass(frozen=True, slots=True)
class Returned:
    """What came back of one line."""

    line: OrderLine
    quantity: Decimal
    amount: Decimal


class Order(Versioned, Owned, Tables):
    """What a customer bought. ``open + paid + returned`` is its total until it is cancelled.

    :ivar paid_amount: what of the customer's payments counts for this order.
    :ivar payment_due_at: when it counts as unpaid; None when terms of payment were agreed.
    :ivar payment_overdue: it was not paid by then, and still is not.
    """

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("paid_amount >= 0 AND returned_amount >= 0", name="orders_amounts"),
        CheckConstraint("paid_amount + returned_amount <= total", name="orders_not_overpaid"),
        Index("orders_by_placed_at", "placed_at", "id"),
        Index("orders_by_total", "total", "id"),
        Index("orders_by_owner", "owner_id", "placed_at", "id"),
        Index("orders_by_team", "team_id", "placed_at", "id"),
        Index("orders_by_status", "status", "placed_at", "id"),
        Index("orders_by_account", "account_id", "placed_at", "id"),
        Index("orders_by_contact", "contact_id", "placed_at", "id"),
        Index("orders_by_opportunity", "opportunity_id", "placed_at", "id"),
        Index("orders_by_contract", "contract_id", "placed_at", "id"),
        Index("orders_by_campaign", "campaign_id", "placed_at", "id"),
        Index("orders_by_placed_on", "placed_on", "id"),
        Index("orders_by_payment_overdue", "payment_overdue", "placed_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]
    quote_id: Mapped[str | None] = mapped_column(Uuid(as_uuid=False), unique=True)
    contract_id: Mapped[Id | None]
    campaign_id: Mapped[Id | None]
    status: Mapped[str] = mapped_column(String(10), default="placed")
    return_status: Mapped[str] = mapped_column(String(10), default="none")
    payment_overdue: Mapped[bool] = mapped_column(default=False)
    payment_due_at: Mapped[Instant | None]
    currency: Mapped[str] = mapped_column(String(3))
    subtotal: Mapped[Amount]
    discount: Mapped[Amount]
    tax: Mapped[Amount]
    total: Mapped[Amount]
    paid_amount: Mapped[Amount] = mapped_column(default=_NOTHING)
    returned_amount: Mapped[Amount] = mapped_column(default=_NOTHING)
    placed_on: Mapped[date]
    placed_at: Mapped[Instant]
    paid_on: Mapped[date | None]
    fulfilled_on: Mapped[date | None]
    completed_on: Mapped[date | None]
    cancelled_on: Mapped[date | None]
    cancel_reason: Mapped[str | None] = mapped_column(String(100))
    lines: Mapped[list[OrderLine]] = relationship(
        order_by="OrderLine.position",
        cascade="all, delete-orphan",
        back_populates="order",
        lazy="selectin",  # every event tells of them
    )

    @property
    def due_amount(self) -> Decimal:
        """What the customer is to pay altogether."""
        return _NOTHING if self.status == "cancelled" else self.total - self.returned_amount

    @property
    def open_amount(self) -> Decimal:
        """What is still to be paid."""
        return self.due_amount - self.paid_amount

    @property
    def on_terms(self) -> bool:
        """Terms of payment were agreed, so it may be delivered before it is paid."""
        return self.payment_due_at is None

    def receive(self, amount: Decimal, on: date) -> bool:
        """Count a payment of at most what is open.

        :returns: True when the order is paid in full by it.
        """
        self.paid_amount += amount
        return self.settle(on)

    def settle(self, on: date) -> bool:
        """Be paid, if nothing is open any more; what came back whole without a payment is not.

        :returns: True when it was not paid before.
        """
        if self.open_amount > 0 or self.paid_on is not None or self.status == "cancelled":
            return False
        if self.paid_amount == 0 < self.total:
            return False
        self.paid_on = on
        if self.status == "placed":
            self.status = "paid"
        return True

    def give_back(self, amount: Decimal) -> None:
        """Have a payment not count any more; an order that owes again is not paid or completed."""
        self.paid_amount -= amount
        if self.open_amount <= 0:
            return
        self.paid_on = None
        if self.status == "paid":
            self.status = "placed"
        elif self.status == "completed":
            self.status, self.completed_on = "fulfilled", None

    def fulfil(self, on: date) -> None:
        """Be delivered.

        :raises Problem: 409 when that does not follow, 422 for a day before it was placed.
        """
        if self.status == "placed" and not self.on_terms:
            raise conflict("The order is not paid, and no terms of payment were agreed.")
        if self.status not in ("placed", "paid"):
            raise conflict(f"The order is {self.status}.")
        _not_before(on, self.placed_on, "fulfilled_on", "it was placed")
        self.status, self.fulfilled_on = "fulfilled", on

    def complete(self, on: date) -> None:
        """Be done with.

        :raises Problem: 409 when it is not delivered and paid, 422 for a day before it was.
        """
        if self.status != "fulfilled":
            raise conflict(f"The order is {self.status}, not fulfilled.")
        if self.open_amount > 0:
            raise conflict("The order is not paid in full.")
        _not_before(on, self.fulfilled_on or self.placed_on, "completed_on", "it was fulfilled")
        self.status, self.completed_on = "completed", on

    def cancel(self, on: date, reason: str) -> None:
        """Be called off; what was paid for it is the caller's to give back.

        :raises Problem: 409 when it was delivered, 422 for a day before it was placed.
        """
        if self.status not in ("placed", "paid"):
            raise conflict(f"The order is {self.status}.")
        _not_before(on, self.placed_on, "cancelled_on", "it was placed")
        self.status, self.cancelled_on, self.cancel_reason = "cancelled", on, reason
        self.payment_overdue, self.paid_on = False, None

    def take_back(self, quantities: Mapping[str, Decimal], on: date) -> list[Returned]:
        """Have goods come back, at what they cost.

        :param quantities: by line.
        :raises Problem: 409 when nothing was delivered, 422 for a day before it was, a line of
            another order, or more than is left of a line.
        """
        if self.status not in ("fulfilled", "completed"):
            raise conflict(f"The order is {self.status}: nothing of it was delivered.")
        _not_before(on, self.fulfilled_on or self.placed_on, "returned_on", "it was fulfilled")
        lines = {line.id: line for line in self.lines}
        errors = [
            (f"lines.{place}.{field}", why)
            for place, (line_id, quantity) in enumerate(quantities.items())
            for field, why in _return_refusals(lines.get(line_id), quantity)
        ]
        if errors:
            raise invalid(*errors)
        returned = [
            lines[line_id].take_back(quantity, self.currency)
            for line_id, quantity in quantities.items()
        ]
        self.returned_amount += sum((each.amount for each in returned), _NOTHING)
        whole = all(line.returned_quantity == line.quantity for line in self.lines)
        self.return_status = "whole" if whole else "partial"
        return returned


class OrderLine(Tables):
    """One thing ordered.

    :ivar discount: an amount; ``subtotal - discount + tax`` is the total.
    """

    __tablename__ = "order_lines"
    __table_args__ = (
        Index("order_lines_by_order", "order_id", "position"),
        Index("order_lines_by_product", "product_id", "id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    order_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("orders.id", ondelete="CASCADE")
    )
    order: Mapped[Order] = relationship(back_populates="lines")
    position: Mapped[int]
    product_id: Mapped[Id | None]
    product_name: Mapped[str | None] = mapped_column(String(200))
    quantity: Mapped[Amount]
    unit_price: Mapped[Amount]
    discount_percent: Mapped[Amount] = mapped_column(default=_NOTHING)
    tax_rate: Mapped[Amount] = mapped_column(default=_NOTHING)
    subtotal: Mapped[Amount]
    discount: Mapped[Amount]
    tax: Mapped[Amount]
    total: Mapped[Amount]
    returned_quantity: Mapped[Amount] = mapped_column(default=_NOTHING)
    returned_amount: Mapped[Amount] = mapped_column(default=_NOTHING)

    @property
    def left(self) -> Decimal:
        """The quantity that has not come back."""
        return self.quantity - self.returned_quantity

    def take_back(self, quantity: Decimal, currency: str) -> Returned:
        """Have part of it come back; all parts together are worth the line's total."""
        self.returned_quantity += quantity
        worth = pricing.share(self.total, self.returned_quantity, self.quantity, currency)
        returned = Returned(self, quantity, worth - self.returned_amount)
        self.returned_amount = worth
        return returned


class OrderReturn(Tables):
    """Goods of an order that came back together."""

    __tablename__ = "order_returns"
    __table_args__ = (Index("order_returns_by_order", "order_id", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    order_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("orders.id", ondelete="CASCADE")
    )
    returned_on: Mapped[date]
    reason: Mapped[str | None] = mapped_column(String(100))
    amount: Mapped[Amount]
    recorded_at: Mapped[Instant]
    lines: Mapped[list[OrderReturnLine]] = relationship(
        order_by="OrderReturnLine.id", cascade="all, delete-orphan"
    )


class OrderReturnLine(Tables):
    """What came back of one line of an order."""

    __tablename__ = "order_return_lines"
    __table_args__ = (Index("order_return_lines_by_return", "return_id", "id"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    return_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("order_returns.id", ondelete="CASCADE")
    )
    line_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("order_lines.id", ondelete="CASCADE")
    )
    product_id: Mapped[Id | None]
    quantity: Mapped[Amount]
    amount: Mapped[Amount]


def _not_before(day: date, earliest: date, field: str, what: str) -> None:
    if day < earliest:
        raise invalid((field, f"Before {what}, on {earliest}."))


def _return_refusals(line: OrderLine | None, quantity: Decimal) -> list[tuple[str, str]]:
    if line is None:
        return [("line_id", "The order has no such line.")]
    if not quantity > 0:
        return [("quantity", "Must be above zero.")]
    if quantity > line.left:
        return [("quantity", f"Of this line {line.left.normalize():f} are left.")]
    return []
