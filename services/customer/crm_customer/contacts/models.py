"""A person at an account, or by themselves."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.database import Id
from crm_customer.profile import Profile
from crm_customer.tables import Tables


class Contact(Profile, Versioned, Owned, Tables):
    """A contact."""

    __tablename__ = "contacts"
    __table_args__ = (
        Index("contacts_by_created_at", "created_at", "id"),
        Index("contacts_by_name", "name", "id"),
        Index("contacts_by_owner", "owner_id", "created_at", "id"),
        Index("contacts_by_team", "team_id", "created_at", "id"),
        Index("contacts_by_account", "account_id", "created_at", "id"),
    )

    account_id: Mapped[Id | None] = mapped_column(ForeignKey("accounts.id"))
    sex: Mapped[str | None] = mapped_column(String(20))
    job_title: Mapped[str | None] = mapped_column(String(100))
