"""Tags that customers bear, and the rules that give them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Json
from crm_customer.tables import Tables

MOST_TAGS = 200
"""Tags there may be, and so tags that one customer may bear."""
MOST_RULES = 100


class Tag(Versioned, Tables):
    """A tag. A customer bears at most one of a category, and any number of those without one.

    :ivar key: what customers bear; it never changes. :ivar colour: ``#RRGGBB``.
    """

    __tablename__ = "tags"
    __table_args__ = (
        Index("tags_by_created_at", "created_at", "id"),
        Index("tags_by_label", "label", "id"),
    )

    key: Mapped[str] = mapped_column(String(64), unique=True)
    category: Mapped[str | None] = mapped_column(String(64))
    label: Mapped[str] = mapped_column(String(100))
    colour: Mapped[str | None] = mapped_column(String(7))


class TagRule(Versioned, Tables):
    """Gives a tag to the customers that meet its conditions, and takes it from the others.

    :ivar kind: account or contact.
    :ivar match: ``all`` of the conditions, or ``any`` of them.
    :ivar position: of the rules that give tags of one category, the first one met wins.
    """

    __tablename__ = "tag_rules"
    __table_args__ = (
        Index("tag_rules_by_created_at", "created_at", "id"),
        Index("tag_rules_by_position", "position", "id"),
    )

    name: Mapped[str] = mapped_column(String(100))
    kind: Mapped[str] = mapped_column(String(10))
    tag: Mapped[str] = mapped_column(ForeignKey("tags.key"))
    match: Mapped[str] = mapped_column(String(3), default="all")
    conditions: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    position: Mapped[int] = mapped_column(default=0)
    active: Mapped[bool] = mapped_column(default=True)
