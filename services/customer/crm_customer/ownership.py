"""Who owned an account from when to when, and why that changed."""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, Session, mapped_column

from crm_chassis.context import current_origin
from crm_chassis.database import Id, Instant, Key, new_id, utc_now
from crm_customer.accounts.models import Account
from crm_customer.tables import Tables

REASONS = ("changed", "claimed", "assigned", "released", "returned")


class OwnershipChange(Tables):
    """One change of an account's owner.

    :ivar note: why, in the words of who did it.
    :ivar changed_by: a principal's id, or the service's name.
    """

    __tablename__ = "ownership_changes"
    __table_args__ = (
        Index("ownership_changes_by_account", "account_id", "changed_at", "id"),
        Index("ownership_changes_by_receiver", "to_owner_id", "reason", "changed_at"),
    )

    id: Mapped[Key] = mapped_column(default=new_id)
    account_id: Mapped[Id] = mapped_column(ForeignKey("accounts.id"))
    from_owner_id: Mapped[Id | None]
    from_team_id: Mapped[Id | None]
    to_owner_id: Mapped[Id | None]
    to_team_id: Mapped[Id | None]
    reason: Mapped[str] = mapped_column(String(10))
    note: Mapped[str | None] = mapped_column(String(1000))
    changed_by: Mapped[str] = mapped_column(String(64))
    changed_at: Mapped[Instant]


class Owner(NamedTuple):
    """Whose an account is: nobody's while it is in the pool."""

    owner_id: str | None
    team_id: str | None

    @classmethod
    def of(cls, account: Account) -> Owner:
        return cls(account.owner_id, account.team_id)


def owner_changed(
    session: Session,
    account: Account,
    before: Owner,
    reason: str = "changed",
    note: str | None = None,
    now: datetime | None = None,
) -> dict[str, Any] | None:
    """Keep in the log that an account is not ``before``'s any more.

    What was due because the former owner was not in touch with the customer is off.

    :returns: the facts of the change for its event; None when it is the same owner's.
    """
    if Owner.of(account) == before:
        return None
    at = now or utc_now()
    account.owned_since = at
    account.claimed_at = at if reason == "claimed" else None
    account.return_due_at = None
    facts = {
        "from_owner_id": before.owner_id,
        "from_team_id": before.team_id,
        "to_owner_id": account.owner_id,
        "to_team_id": account.team_id,
        "reason": reason,
    }
    origin = current_origin()
    session.add(
        OwnershipChange(
            account_id=account.id,
            **facts,
            note=note,
            changed_by=origin.actor if origin else "customer",
            changed_at=at,
        )
    )
    return facts
