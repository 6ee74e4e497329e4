"""A customer: a company, or a consumer."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from sqlalchemy import ForeignKey, Index, String, TextClause, text
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Owned, Versioned
from crm_chassis.custom_fields import Customised, custom_index
from crm_chassis.database import Id, Money, UTCDateTime
from crm_customer.followup.models import FollowedUp, follow_up_index
from crm_customer.profile import Profile
from crm_customer.search.models import Searchable, search_indexes
from crm_customer.tables import Tables

KINDS = ("business", "consumer")


def _where(condition: str) -> dict[str, TextClause]:
    """Has an index hold only some of the rows."""
    return {"postgresql_where": text(condition), "sqlite_where": text(condition)}


class Account(Profile, Customised, Searchable, FollowedUp, Versioned, Owned, Tables):
    """An account. Those that own one another form trees, by ``parent_id``.

    :ivar annual_revenue: in ``currency``, which stands wherever this does.
    :ivar owned_since: when it came to its owner; None for who had it from the first.
    :ivar claimed_at: when the owner claimed it; None for one who came by it otherwise.
    :ivar return_due_at: when it goes to the pool, unless somebody gets in touch.
    """

    __tablename__ = "accounts"
    __table_args__ = (
        Index("accounts_by_created_at", "created_at", "id"),
        Index("accounts_by_name", "name", "id"),
        Index("accounts_by_owner", "owner_id", "created_at", "id"),
        Index("accounts_by_team", "team_id", "created_at", "id"),
        Index("accounts_by_parent", "parent_id", "created_at", "id"),
        Index("accounts_by_quality", "quality", "id"),
        follow_up_index("accounts"),
        Index("accounts_in_pool", "created_at", "id", **_where("owner_id IS NULL")),
        Index(
            "accounts_by_return_due", "return_due_at", "id", **_where("return_due_at IS NOT NULL")
        ),
        Index("accounts_claimed", "owner_id", **_where("claimed_at IS NOT NULL")),
        custom_index("accounts"),
        *search_indexes("accounts"),
    )

    kind: Mapped[str] = mapped_column(String(10), default="business")
    industry: Mapped[str | None] = mapped_column(String(100))
    website: Mapped[str | None] = mapped_column(String(500))
    employees: Mapped[int | None]
    annual_revenue: Mapped[Decimal | None] = mapped_column(Money)
    currency: Mapped[str | None] = mapped_column(String(3))
    founded_year: Mapped[int | None]
    parent_id: Mapped[Id | None] = mapped_column(ForeignKey("accounts.id"))
    owned_since: Mapped[datetime | None] = mapped_column(UTCDateTime)
    claimed_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
    return_due_at: Mapped[datetime | None] = mapped_column(UTCDateTime)
