"""The numbers by which people quote documents."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import insert
from sqlalchemy.orm import Mapped, Session, mapped_column

from crm_chassis.database import Id


class Numbered:
    """A table that gives out numbers of one kind of document.

    A row each, not a counter, so that nobody waits for another's transaction; the number of a
    document that was never kept is left out.
    """

    __table_args__ = {"sqlite_autoincrement": True}

    serial: Mapped[int] = mapped_column(primary_key=True)
    document_id: Mapped[Id]


def serials(session: Session, table: type[Numbered], document_ids: Sequence[str]) -> Sequence[int]:
    """The next serial of each document, with one statement for all of them."""
    if not document_ids:
        return []
    statement = insert(table).returning(table.serial, sort_by_parameter_order=True)
    return session.scalars(statement, [{"document_id": each} for each in document_ids]).all()


def number(prefix: str, year: int, serial: int) -> str:
    """``SO-2026-000123``; the serial goes on from year to year."""
    return f"{prefix}-{year}-{serial:06d}"
