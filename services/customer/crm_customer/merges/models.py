"""Two records of one customer made one, with what it takes to part them again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Index, String
from sqlalchemy.orm import Mapped, mapped_column

from crm_chassis.aggregate import Versioned
from crm_chassis.database import Id, Json
from crm_customer.tables import Tables

STATUSES = ("done", "undone")


class Merge(Versioned, Tables):
    """A merge. ``undone`` is final; the records can be merged anew.

    :ivar fields: field to whose value was taken, ``survivor`` or ``merged``.
    :ivar survivor_before: the fields of the survivor that the merge changed, as they were;
        :ivar survivor_after: as they became.
    :ivar links_before: what contacts were at the accounts, where that changed;
        :ivar links_after: what they became.
    """

    __tablename__ = "merges"
    __table_args__ = (
        Index("merges_by_created_at", "created_at", "id"),
        Index("merges_by_survivor", "survivor_id", "created_at", "id"),
        Index("merges_by_merged", "merged_id", "created_at", "id"),
    )

    kind: Mapped[str] = mapped_column(String(10))
    survivor_id: Mapped[Id]
    merged_id: Mapped[Id]
    status: Mapped[str] = mapped_column(String(10))
    fields: Mapped[dict[str, str]] = mapped_column(Json)
    survivor_before: Mapped[dict[str, Any]] = mapped_column(Json)
    survivor_after: Mapped[dict[str, Any]] = mapped_column(Json)
    links_before: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    links_after: Mapped[list[dict[str, Any]]] = mapped_column(Json)
    done_by: Mapped[str] = mapped_column(String(64))
    undone_by: Mapped[str | None] = mapped_column(String(64))
