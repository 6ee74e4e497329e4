"""What happened to one customer, newest first, in pages."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from heapq import merge
from itertools import islice
from typing import Any
from uuid import UUID

from sqlalchemy import Select, and_, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from crm_chassis.auth import current_principal
from crm_chassis.paging import Page, decode_cursor, encode_cursor, page_of
from crm_customer.interactions.models import Interaction
from crm_customer.interactions.schemas import CONTENT_RIGHT
from crm_customer.kinds import Kind
from crm_customer.overview.rights import INTERACTION, OF_KIND, may_see, seen
from crm_customer.timeline import timeline


@dataclass(frozen=True, slots=True)
class Entry:
    """Something that happened.

    :ivar kind: what it was about; :ivar what: what happened to that; :ivar ref: its key.
    :ivar facts: what there is to say in a line.
    """

    id: str
    at: datetime
    kind: str
    what: str
    ref: str
    facts: Mapping[str, Any]

    @property
    def place(self) -> tuple[datetime, str]:
        return self.at, self.id


def past(
    session: Session,
    kind: Kind,
    customer_id: str,
    kinds: Collection[str],
    cursor: str | None,
    limit: int,
) -> Page[Entry]:
    """A page of what happened, of the given kinds that the principal has a right to.

    :param cursor: behind which entry to go on.
    :raises Problem: 422 for a cursor that is none of this list.
    """
    behind = decode_cursor(cursor, _place) if cursor else None
    allowed = [name for name in kinds if name not in OF_KIND or may_see(OF_KIND[name])]
    entries = merge(
        _happenings(session, kind, customer_id, allowed, behind, limit + 1),
        _interactions(session, kind, customer_id, allowed, behind, limit + 1),
        key=lambda entry: entry.place,
        reverse=True,
    )
    return page_of(list(islice(entries, limit + 1)), limit, _cursor_of)


def _happenings(
    session: Session,
    kind: Kind,
    customer_id: str,
    kinds: Collection[str],
    behind: tuple[datetime, str] | None,
    limit: int,
) -> list[Entry]:
    told = [name for name in kinds if name != INTERACTION]
    if not told:
        return []
    columns = timeline.c
    visible = [
        and_(columns.kind == name, seen(OF_KIND[name], columns))
        if name in OF_KIND
        else columns.kind == name
        for name in told
    ]
    statement = select(
        columns.id, columns.at, columns.kind, columns.what, columns.ref, columns.facts
    ).where(columns[kind.key] == customer_id, or_(*visible))
    newest = _newest(statement, columns.at, columns.id, behind, limit)
    return [Entry(*row) for row in session.execute(newest)]


def _interactions(
    session: Session,
    kind: Kind,
    customer_id: str,
    kinds: Collection[str],
    behind: tuple[datetime, str] | None,
    limit: int,
) -> list[Entry]:
    """They are this service's own, and so read where they stand."""
    if INTERACTION not in kinds:
        return []
    statement = select(
        Interaction.id,
        Interaction.occurred_at,
        Interaction.kind,
        Interaction.direction,
        Interaction.channel,
        Interaction.subject,
        Interaction.seconds,
        Interaction.outcome,
    ).where(getattr(Interaction, kind.key) == customer_id)
    newest = _newest(statement, Interaction.occurred_at, Interaction.id, behind, limit)
    readable = current_principal().may(CONTENT_RIGHT)
    return [
        Entry(
            row.id,
            row.occurred_at,
            INTERACTION,
            row.kind,
            row.id,
            {
                "direction": row.direction,
                "channel": row.channel,
                "subject": row.subject if readable else None,
                "seconds": row.seconds,
                "outcome": row.outcome,
            },
        )
        for row in session.execute(newest)
    ]


def _newest(
    statement: Select[Any], at: Any, key: Any, behind: tuple[datetime, str] | None, limit: int
) -> Select[Any]:
    if behind is not None:
        moment, last = behind
        statement = statement.where(
            tuple_(at, key) < tuple_(literal(moment, at.type), literal(last, key.type))
        )
    return statement.order_by(at.desc(), key.desc()).limit(limit)


def _cursor_of(entry: Entry) -> str:
    return encode_cursor(entry.at, entry.id)


def _place(at: str, key: str) -> tuple[datetime, str]:
    moment = datetime.fromisoformat(at)
    if moment.tzinfo is None:
        raise ValueError(at)
    return moment, str(UUID(key))
