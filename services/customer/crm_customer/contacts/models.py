"""A person at one or several accounts, or by themselves."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column, relationship

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.custom_fields import Customised, custom_index
from crm_chassis.database import Id
from crm_customer.followup.models import FollowedUp, follow_up_index
from crm_customer.lines import Lines
from crm_customer.profile import Profile
from crm_customer.search.models import Searchable, search_indexes
from crm_customer.tables import Tables

ROLES = (
    "decision_maker",
    "evaluator",
    "influencer",
    "user",
    "buyer",
    "champion",
    "billing",
    "technical",
    "other",
)
"""What a person is at an account, in the eyes of who sells to it."""


class AccountContact(Tables):
    """What a contact is at an account."""

    __tablename__ = "account_contacts"
    __table_args__ = (Index("account_contacts_by_contact", "contact_id"),)

    account_id: Mapped[Id] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    contact_id: Mapped[Id] = mapped_column(ForeignKey("contacts.id"), primary_key=True)
    roles: Mapped[list[str]] = mapped_column(Lines, default=list)


class Contact(Profile, Customised, Searchable, FollowedUp, Versioned, Owned, Tables):
    """A contact.

    :ivar account_id: the primary account, None for a consumer by themselves.
    :ivar links: what is known of the accounts, the primary one among them where it has roles.
    """

    __tablename__ = "contacts"
    __table_args__ = (
        Index("contacts_by_created_at", "created_at", "id"),
        Index("contacts_by_name", "name", "id"),
        Index("contacts_by_owner", "owner_id", "created_at", "id"),
        Index("contacts_by_team", "team_id", "created_at", "id"),
        Index("contacts_by_account", "account_id", "created_at", "id"),
        Index("contacts_by_quality", "quality", "id"),
        follow_up_index("contacts"),
        custom_index("contacts"),
        *search_indexes("contacts"),
    )

    account_id: Mapped[Id | None] = mapped_column(ForeignKey("accounts.id"))
    sex: Mapped[str | None] = mapped_column(String(20))
    job_title: Mapped[str | None] = mapped_column(String(100))
    birthday: Mapped[date | None]
    links: Mapped[list[AccountContact]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", order_by=AccountContact.account_id
    )

    def __init__(self, **values: Any) -> None:
        super().__init__(**{"links": []} | values)  # else its event would ask the database for them

    @property
    def accounts(self) -> list[dict[str, Any]]:
        """Every account with the contact's roles there, the primary one first."""
        roles = {link.account_id: link.roles for link in self.links}
        primary = [self.account_id] if self.account_id else []
        others = [account_id for account_id in roles if account_id != self.account_id]
        return [
            {
                "account_id": account_id,
                "roles": roles.get(account_id, []),
                "primary": account_id == self.account_id,
            }
            for account_id in [*primary, *others]
        ]

    @property
    def roles(self) -> list[str]:
        """What the contact is at the primary account."""
        return self.accounts[0]["roles"] if self.account_id else []
