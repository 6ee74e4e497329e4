"""A contract on its way through approval and its term, and the chain of those who approve."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, Uuid
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Amount, Id, Instant, Key, new_id, utc_now
from crm_chassis.problems import Problem, conflict
from crm_sales.numbers import Numbered
from crm_sales.tables import Tables

STATUSES = (
    "draft",
    "in_review",
    "approved",
    "rejected",
    "withdrawn",
    "active",
    "expired",
    "void",
)
DECISIONS = ("pending", "approved", "rejected", "dropped")
_LONGEST_CHAIN = 100
CONTRACT_SETTINGS_ID = "00000000-0000-7000-8000-000000000002"


class ContractSettings(Versioned, Tables):
    """The one row of rules for contracts that users may change.

    :ivar reminder_days: how many days before its last one a contract's end is told.
    """

    __tablename__ = "contract_settings"

    reminder_days: Mapped[int]


class ContractNumber(Numbered, Tables):
    """Gives out the numbers of contracts."""

    __tablename__ = "contract_numbers"


class ApprovalRule(Versioned, Tables):
    """Says who has to approve which contracts.

    :ivar team_id: of contracts of this team and of those below it; None for all.
    :ivar currency: of contracts in this currency; None for all.
    :ivar amount_from: of contracts of this amount or more.
    :ivar position: the place in the chain; those of one place are asked by their amount.
    """

    __tablename__ = "approval_rules"
    __table_args__ = (
        CheckConstraint("position >= 1", name="approval_rules_position"),
        Index("approval_rules_by_position", "position", "amount_from", "id"),
    )

    team_id: Mapped[Id | None]
    currency: Mapped[str | None] = mapped_column(String(3))
    amount_from: Mapped[Amount]
    position: Mapped[int] = mapped_column(default=1)
    approver_id: Mapped[Id]


class Contract(Versioned, Owned, Tables):
    """What was agreed with a customer for a time.

    :ivar ends_on: the last business day on which it holds.
    """

    __tablename__ = "contracts"
    __table_args__ = (
        CheckConstraint("ends_on >= starts_on", name="contracts_term"),
        Index("contracts_by_created_at", "created_at", "id"),
        Index("contracts_by_amount", "amount", "id"),
        Index("contracts_by_ends_on", "ends_on", "id"),
        Index("contracts_by_status_and_end", "status", "ends_on", "id"),
        Index("contracts_by_owner", "owner_id", "created_at", "id"),
        Index("contracts_by_team", "team_id", "created_at", "id"),
        Index("contracts_by_account", "account_id", "created_at", "id"),
        Index("contracts_by_contact", "contact_id", "created_at", "id"),
        Index("contracts_by_opportunity", "opportunity_id", "created_at", "id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(200), unique=True)
    number: Mapped[str] = mapped_column(String(32), unique=True)
    title: Mapped[str] = mapped_column(String(200))
    account_id: Mapped[Id | None]
    contact_id: Mapped[Id | None]
    opportunity_id: Mapped[Id | None]
    quote_id: Mapped[Id | None]
    status: Mapped[str] = mapped_column(String(10), default="draft")
    amount: Mapped[Amount]
    currency: Mapped[str] = mapped_column(String(3))
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    terms: Mapped[str | None] = mapped_column(Text)
    submitted_at: Mapped[Instant | None]
    submitted_by: Mapped[Id | None]
    approved_on: Mapped[date | None]
    activated_on: Mapped[date | None]
    reminded_on: Mapped[date | None]
    ended_on: Mapped[date | None]
    end_reason: Mapped[str | None] = mapped_column(String(200))
    approvals: Mapped[list[Approval]] = relationship(
        order_by="Approval.position",
        cascade="all, delete-orphan",
        back_populates="contract",
        lazy="selectin",  # every event tells of them
    )

    @property
    def awaited(self) -> Approval | None:
        """The approval that is asked for now."""
        return next((each for each in self.approvals if each.decision == "pending"), None)

    def require(self, *statuses: str) -> None:
        """:raises Problem: 409 when it is in none of these statuses."""
        if self.status not in statuses:
            raise conflict(f"The contract is {self.status.replace('_', ' ')}.")

    def submit(self, approvers: Sequence[str], by: str, today: date) -> None:
        """Be put before its approvers, one after the other; with none to ask it is approved.

        :raises Problem: 409 when it is no draft, or the rules ask for more than 100 approvals.
        """
        self.require("draft")
        if len(approvers) > _LONGEST_CHAIN:
            raise conflict(f"The rules ask for more than {_LONGEST_CHAIN} approvals.")
        self.status, self.submitted_at, self.submitted_by = "in_review", utc_now(), by
        self.approvals = [
            Approval(position=position, approver_id=approver, decision="pending")
            for position, approver in enumerate(approvers, 1)
        ]
        self._finish_review(today)

    def approve(self, by: str, comment: str | None, today: date) -> None:
        """Have the approval that is asked for now be given.

        :raises Problem: 409 when none is asked for; 403 when somebody else is asked.
        """
        self._decide(by, "approved", comment)
        self._finish_review(today)

    def reject(self, by: str, reason: str, today: date) -> None:
        """Have the approval that is asked for now be refused; nobody else is asked.

        :raises Problem: 409 when none is asked for; 403 when somebody else is asked.
        """
        self._decide(by, "rejected", reason)
        self._drop_pending()
        self.status, self.ended_on, self.end_reason = "rejected", today, reason

    def delegate(self, by: str, to: str, reason: str | None) -> None:
        """Have somebody else be asked for the approval that is asked for now.

        :raises Problem: 409 when none is asked for; 403 when somebody else is asked.
        """
        approval = self._asked(by, "delegate")
        approval.approver_id, approval.delegated_by, approval.comment = to, by, reason

    def withdraw(self, today: date) -> None:
        """Be taken back from its approvers.

        :raises Problem: 409 when it is not before them.
        """
        self.require("in_review")
        self._drop_pending()
        self.status, self.ended_on = "withdrawn", today

    def activate(self, on: date) -> None:
        """Hold from now on.

        :raises Problem: 409 when it is not approved, or has ended already.
        """
        self.require("approved")
        if on > self.ends_on:
            raise conflict(f"The contract ended on {self.ends_on}.")
        self.status, self.activated_on = "active", on

    def expire(self) -> bool:
        """Have come to its end.

        :returns: False when it does not hold, or was approved and not activated in time.
        """
        if self.status not in ("approved", "active"):
            return False
        self.status, self.ended_on = "expired", self.ends_on
        return True

    def void(self, on: date, reason: str) -> None:
        """Hold no more, before its end.

        :raises Problem: 409 when it is neither approved nor active.
        """
        self.require("approved", "active")
        self.status, self.ended_on, self.end_reason = "void", on, reason

    def _asked(self, by: str, what: str) -> Approval:
        self.require("in_review")
        approval = self.awaited
        if approval is None or approval.approver_id != by:
            raise Problem(403, "not-asked", f"Somebody else is asked: it is not yours to {what}.")
        return approval

    def _decide(self, by: str, decision: str, comment: str | None) -> None:
        approval = self._asked(by, "decide")
        if by == self.submitted_by and decision == "approved":
            raise conflict("Who submitted a contract does not approve it: delegate the approval.")
        approval.decision, approval.comment, approval.decided_at = decision, comment, utc_now()

    def _finish_review(self, today: date) -> None:
        if self.awaited is None:
            self.status, self.approved_on = "approved", today

    def _drop_pending(self) -> None:
        for approval in self.approvals:
            if approval.decision == "pending":
                approval.decision = "dropped"


class Approval(Tables):
    """One link of the chain: who is asked, and what the answer was.

    :ivar decision: ``dropped`` when it was not asked for any more.
    :ivar delegated_by: who was asked before, and passed it on.
    """

    __tablename__ = "contract_approvals"
    __table_args__ = (
        UniqueConstraint("contract_id", "position"),
        Index("contract_approvals_by_approver", "approver_id", "decision", "contract_id"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    contract_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False), ForeignKey("contracts.id", ondelete="CASCADE")
    )
    contract: Mapped[Contract] = relationship(back_populates="approvals")
    position: Mapped[int]
    approver_id: Mapped[Id]
    decision: Mapped[str] = mapped_column(String(10))
    decided_at: Mapped[Instant | None]
    comment: Mapped[str | None] = mapped_column(String(1000))
    delegated_by: Mapped[Id | None]
