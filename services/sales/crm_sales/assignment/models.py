"""Who gets a lead that comes in without an owner."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import ForeignKey, Index, String, Uuid
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Json
from crm_sales.leads.models import Lead
from crm_sales.tables import Tables

STRATEGIES = ("round_robin", "region", "load")


class AssignmentRule(Versioned, Tables):
    """A rule: the leads it is for, and how it chooses among its members.

    The conditions are met together; an empty list or a missing bound takes every lead.

    :ivar position: rules are tried in this order.
    :ivar members: ids of users, in the order of a round.
    :ivar region_members: for the strategy ``region``: the region to the id of its user.
    """

    __tablename__ = "assignment_rules"
    __table_args__ = (Index("assignment_rules_by_position", "position", "id"),)

    name: Mapped[str] = mapped_column(String(200))
    position: Mapped[int]
    active: Mapped[bool] = mapped_column(default=True)
    sources: Mapped[list[str]] = mapped_column(Json, default=list)
    regions: Mapped[list[str]] = mapped_column(Json, default=list)
    industries: Mapped[list[str]] = mapped_column(Json, default=list)
    campaign_ids: Mapped[list[str]] = mapped_column(Json, default=list)
    score_from: Mapped[int | None]
    score_to: Mapped[int | None]
    strategy: Mapped[str] = mapped_column(String(20))
    members: Mapped[list[str]] = mapped_column(Json, default=list)
    region_members: Mapped[dict[str, str]] = mapped_column(Json, default=dict)

    def matches(self, lead: Lead) -> bool:
        """True when the lead meets every condition; texts are compared without regard to case."""
        return (
            _among(self.sources, lead.source)
            and _among(self.regions, lead.region)
            and _among(self.industries, lead.industry)
            and _among(self.campaign_ids, lead.campaign_id)
            and (self.score_from is None or lead.score >= self.score_from)
            and (self.score_to is None or lead.score <= self.score_to)
        )

    def user_of_region(self, region: str | None) -> str | None:
        """Who the map names for a region."""
        users = {_folded(name): user for name, user in self.region_members.items()}
        return users.get(_folded(region))

    @property
    def users(self) -> set[str]:
        """Everybody whom the rule may choose."""
        return {*self.members, *self.region_members.values()}


class AssignmentTurn(Tables):
    """How many leads a rule has given out; its row is locked while a rule chooses.

    It stands apart from the rule, whose version is for those who edit it.
    """

    __tablename__ = "assignment_turns"

    rule_id: Mapped[str] = mapped_column(
        Uuid(as_uuid=False),
        ForeignKey("assignment_rules.id", ondelete="CASCADE"),
        primary_key=True,
    )
    taken: Mapped[int] = mapped_column(default=0)


def _among(wanted: Iterable[str], value: str | None) -> bool:
    known = {_folded(each) for each in wanted}
    return not known or _folded(value) in known


def _folded(value: Any) -> str | None:
    return None if value is None else str(value).strip().casefold()
