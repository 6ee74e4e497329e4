"""The rules by which customers come to nobody and to somebody again."""

from __future__ import annotations

from sqlalchemy import CheckConstraint, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Id
from crm_customer.tables import Tables

SETTINGS_ID = "00000000-0000-7000-8000-000000000002"


class PoolSettings(Versioned, Tables):
    """The one row of limits to claiming; None is no limit.

    :ivar most_claimed: customers that one user may hold who came by claiming.
    :ivar most_claims_a_day: of one user, on one business day.
    :ivar reclaim_after_days: so long a former owner may not claim a customer back.
    """

    __tablename__ = "pool_settings"

    most_claimed: Mapped[int | None]
    most_claims_a_day: Mapped[int | None]
    reclaim_after_days: Mapped[int] = mapped_column(default=0)


class PoolRule(Versioned, Tables):
    """When customers whom nobody follows up go back to the pool.

    Of several rules that fit a customer the one that names its team goes before the one that
    names its level, and that before the one that names neither; one that names both goes first.

    :ivar team_id: the team whose customers it is for; None for every team's.
    :ivar level: their level; None for any.
    :ivar days: without contact, and in the hands of the same owner.
    :ivar warn_days: so many days before, the owner is warned; 0 for without.
    :ivar scope: what the rule is for as one text, for there is one rule for one thing.
    """

    __tablename__ = "pool_rules"
    __table_args__ = (CheckConstraint("warn_days < days", name="pool_rules_warn_days"),)

    team_id: Mapped[Id | None]
    level: Mapped[str | None] = mapped_column(String(1))
    days: Mapped[int]
    warn_days: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
    scope: Mapped[str] = mapped_column(String(50), unique=True)
