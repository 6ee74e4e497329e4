"""Teams: a tree with one root."""

from __future__ import annotations

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Id
from crm_gateway.tables import Tables


class Team(Versioned, Tables):
    """:ivar parent_id: the team it belongs to; None for the root alone."""

    __tablename__ = "teams"
    __table_args__ = (
        Index("teams_by_name", "name", "id"),
        Index("teams_by_created_at", "created_at", "id"),
        Index("teams_by_parent", "parent_id"),
    )

    external_id: Mapped[str | None] = mapped_column(String(100), unique=True)
    name: Mapped[str] = mapped_column(String(200))
    parent_id: Mapped[Id | None] = mapped_column(ForeignKey("teams.id"))
