"""What operators and administrators did, kept beside what it changed and in its transaction."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Index, String, Table, Uuid, insert, select
from sqlalchemy.orm import Session

from crm_chassis.context import current_origin
from crm_chassis.database import Json, UTCDateTime, chassis_metadata, new_id, utc_now
from crm_chassis.paging import after_row

LONGEST_ACTOR = 64
LONGEST_SUBJECT = 200
NOBODY = "nobody"

administrative_acts = Table(
    "administrative_acts",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("actor", String(LONGEST_ACTOR), nullable=False),
    Column("act", String(60), nullable=False),
    Column("subject", String(LONGEST_SUBJECT)),
    Column("detail", Json, nullable=False),
    Column("correlation_id", String(64)),
    Index("administrative_acts_at", "at", "id"),
)
"""Only added to; nothing but the retention job removes from it."""


def operator(system_user: str) -> str:
    """The actor that a user of the command line is."""
    return f"operator:{system_user}"[:LONGEST_ACTOR]


def record_act(
    session: Session,
    act: str,
    subject: str | None = None,
    detail: Mapping[str, Any] | None = None,
    *,
    actor: str | None = None,
) -> None:
    """Keep that something was administered, if and only if ``session``'s transaction commits.

    :param act: noun and verb, ``role.change``.
    :param subject: key or name of what it was done to.
    :param detail: JSON values that say what was done; never a secret or personal data.
    :param actor: whoever the current transaction acts for when None.
    """
    origin = current_origin()
    session.execute(
        insert(administrative_acts),
        {
            "id": new_id(),
            "at": utc_now(),
            "actor": actor or (origin.actor if origin else NOBODY),
            "act": act,
            "subject": subject[:LONGEST_SUBJECT] if subject else None,
            "detail": dict(detail or {}),
            "correlation_id": origin.correlation_id if origin else None,
        },
    )


def list_acts(
    session: Session,
    limit: int,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    after: str | None = None,
    **equal: str,
) -> list[dict[str, Any]]:
    """Acts, newest first, from the one after ``after`` on.

    :param equal: what ``act``, ``actor`` or ``subject`` has to be.
    """
    columns = administrative_acts.c
    statement = select(administrative_acts)
    for name, value in equal.items():
        statement = statement.where(columns[name] == value)
    if since is not None:
        statement = statement.where(columns.at >= since)
    if until is not None:
        statement = statement.where(columns.at < until)
    if after is not None:
        statement = statement.where(after_row(columns.at, columns.id, after, newest_first=True))
    rows = session.execute(statement.order_by(columns.at.desc(), columns.id.desc()).limit(limit))
    return [dict(row._mapping) for row in rows]
