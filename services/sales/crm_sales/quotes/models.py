"""An offer to a customer, in versions, on its way from a draft to a decision."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, new_id, utc_now
from crm_chassis.problems import conflict
from crm_sales.numbers import Numbered
from crm_sales.pricing import Line, price
from crm_sales.tables import Tables

STATUSES = ("draft", "sent", "accepted", "rejected", "expired")
_NOTHING = Decimal(0)


class QuoteNumber(Numbered, Tables):
    """Gives out the numbers of quotes."""

    __tablename__ = "quote_numbers"


class Quote(Versioned, Owned, Tables):
    """An offer. A revision is a quote of its own with the same number and the next version.

    :ivar version_number: 1 for the first offer under the number.
    :ivar valid_until: the last business day on which it can be accepted.
    :ivar superseded_by_id: the revision that took its place; then it can be accepted no more.
    :ivar order_id: what was ordered when it was accepted.
    """

    __tablename__ = "quotes"
    __table_args__ = (
        UniqueConstraint("number", "version_number"),
        Index("quotes_by_created_at", "created_at", "id"),
        Index("quotes_by_total", "total", "id"),
        Index("quotes_by_valid_until", "valid_until", "id"),
        Index("quotes_by_owner", "owner_id", "created_at", "id"),
        Index("quotes_by_team", "team_id", "created_at", "id"),
        Index("quotes_by_status", "status", "created_at", "id"),
        Index("quotes_by_account", "account_id", "created_at", "id"),
        Index("quotes_by_contact", "contact_id", "created_at", "id"),
        Index("quotes_by_opportunity", "opportunity_id", "created_at", "id"),
    )

    number: Mapped[str] = mapped_column(String(32))
    version_number: Mapped[int] = mapped_column(default=1)
    opportunity_id: Mapped[Id | None]
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    status: Mapped[str] = mapped_column(String(10), default="draft")
    currency: Mapped[str] = mapped_column(String(3))
    subtotal: Mapped[Amount] = mapped_column(default=_NOTHING)
    discount: Mapped[Amount] = mapped_column(default=_NOTHING)
    tax: Mapped[Amount] = mapped_column(default=_NOTHING)
    total: Mapped[Amount] = mapped_column(default=_NOTHING)
    valid_until: Mapped[date]
    terms: Mapped[str | None] = mapped_column(Text)
    sent_at: Mapped[Instant | None]
    decided_on: Mapped[date | None]
    reject_reason: Mapped[str | None] = mapped_column(String(200))
    superseded_by_id: Mapped[Id | None]
    order_id: Mapped[Id | None]
    lines: Mapped[list[QuoteLine]] = relationship(
        order_by="QuoteLine.position",
        cascade="all, delete-orphan",
        back_populates="quote",
        lazy="selectin",  # every event tells of them
    )

    def offer(self, lines: Sequence[QuoteLine]) -> None:
        """Have these lines, priced, and nothing else.

        :raises Problem: 409 when it is no draft; 422 for lines that cannot be priced.
        """
        self.require_draft()
        totals = price([line.as_priced() for line in lines], self.currency)
        for position, (line, amounts) in enumerate(zip(lines, totals.lines, strict=True), 1):
            line.position = position
            line.subtotal, line.discount = amounts.subtotal, amounts.discount
            line.tax, line.total = amounts.tax, amounts.total
        self.lines = list(lines)
        self.subtotal, self.discount = totals.subtotal, totals.discount
        self.tax, self.total = totals.tax, totals.total

    def require_draft(self) -> None:
        """:raises Problem: 409 when it is no draft any more."""
        if self.status != "draft":
            raise conflict(f"The quote is {self.status}: revise it to change it.")

    def send(self, today: date) -> None:
        """Be before the customer.

        :raises Problem: 409 when it is no draft, offers nothing or to nobody, or is not valid
                today.
        """
        self.require_draft()
        if not self.lines:
            raise conflict("The quote offers nothing: give it lines.")
        if self.account_id is None and self.contact_id is None:
            raise conflict("The quote is for nobody: give it an account or a contact.")
        self._require_valid(today)
        self.status, self.sent_at = "sent", utc_now()

    def accept(self, on: date) -> None:
        """Be what the customer wants.

        :raises Problem: 409 when it is not before the customer, or was not valid on that day.
        """
        self._require_sent()
        self._require_valid(on)
        self.status, self.decided_on = "accepted", on

    def reject(self, on: date, reason: str) -> None:
        """Be what the customer does not want.

        :raises Problem: 409 when it is not before the customer.
        """
        self._require_sent()
        self.status, self.decided_on, self.reject_reason = "rejected", on, reason

    def expire(self) -> bool:
        """Have been left unanswered for too long.

        :returns: False when it was decided in time.
        """
        if self.status != "sent":
            return False
        self.status = "expired"
        return True

    def revised(self) -> Quote:
        """The next version, a draft that offers the same.

        :raises Problem: 409 for a draft, which can be changed itself, one that was accepted, and
            one that was revised before.
        """
        if self.status == "draft":
            raise conflict("The quote is a draft: change it.")
        if self.status == "accepted":
            raise conflict("The quote was accepted: what it offers is ordered.")
        self._require_newest()
        revision = Quote(
            id=new_id(),
            number=self.number,
            version_number=self.version_number + 1,
            opportunity_id=self.opportunity_id,
            account_id=self.account_id,
            contact_id=self.contact_id,
            owner_id=self.owner_id,
            team_id=self.team_id,
            status="draft",
            currency=self.currency,
            valid_until=self.valid_until,
            terms=self.terms,
        )
        revision.offer([line.copied() for line in self.lines])
        self.superseded_by_id = revision.id
        return revision

    def _require_sent(self) -> None:
        if self.status != "sent":
            raise conflict(f"The quote is {self.status}.")
        self._require_newest()

    def _require_newest(self) -> None:
        if self.superseded_by_id is not None:
            raise conflict("The quote was revised: there is a newer version.")

    def _require_valid(self, on: date) -> None:
        if on > self.valid_until:
            raise conflict(f"The quote was valid until {self.valid_until}.")


class QuoteLine(Tables):
    """One thing offered.

    :ivar discount: an amount; ``subtotal - discount + tax`` is the total.
    """

    __tablename__ = "quote_lines"
    __table_args__ = (Index("quote_lines_by_quote", "quote_id", "position"),)

    id: Mapped[Key] = mapped_column(default=new_id)
    quote_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("quotes.id", ondelete="CASCADE")
    )
    quote: Mapped[Quote] = relationship(back_populates="lines")
    position: Mapped[int]
    product_id: Mapped[Id | None]
    product_name: Mapped[str] = mapped_column(String(200))
    quantity: Mapped[Amount]
    unit_price: Mapped[Amount]
    discount_percent: Mapped[Amount] = mapped_column(default=_NOTHING)
    tax_rate: Mapped[Amount] = mapped_column(default=_NOTHING)
    subtotal: Mapped[Amount]
    discount: Mapped[Amount]
    tax: Mapped[Amount]
    total: Mapped[Amount]

    def as_priced(self) -> Line:
        """As :func:`crm_sales.pricing.price` takes it."""
        return Line(self.quantity, self.unit_price, self.discount_percent, self.tax_rate)

    def copied(self) -> QuoteLine:
        """The same thing on another quote."""
        return QuoteLine(
            product_id=self.product_id,
            product_name=self.product_name,
            quantity=self.quantity,
            unit_price=self.unit_price,
            discount_percent=self.discount_percent,
            tax_rate=self.tax_rate,
        )
