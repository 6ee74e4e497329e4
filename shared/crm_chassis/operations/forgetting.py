"""Letting a consumer take events again that it has taken before.

Its handlers give the same state however often they see an event, so that nothing is counted
twice. A service that archives what it takes is refused: its inbox is what it rebuilds from.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from crm_chassis import inbox
from crm_chassis.database import Database, utc_now
from crm_chassis.operations.administration import record_act

_BATCH = 1000


@dataclass(slots=True)
class Forgotten:
    """What was forgotten.

    :ivar marks: events that will be taken again.
    :ivar untyped: those of them whose type an older version did not keep.
    :ivar kept: events that are parked or discarded; those are a person's to decide.
    """

    marks: int = 0
    untyped: int = 0
    kept: int = 0


def forget(
    database: Database,
    types: Collection[str],
    since: datetime,
    *,
    actor: str,
    dry_run: bool = False,
) -> Forgotten:
    """Forget having seen events of these types that came since an instant.

    An event comes after it was made: those that were made since then are among them. So are
    those whose type is not known.

    :param dry_run: only count.
    """
    forgotten = Forgotten()
    until = utc_now()
    after: inbox.Mark | None = None
    while True:
        with database.reading() as session:
            page = inbox.marks(session, since, until, after, _BATCH)
        if not page:
            break
        after = page[-1]
        chosen = [mark for mark in page if mark.type is None or mark.type in types]
        if chosen:
            _forget(database, chosen, forgotten, dry_run=dry_run)
    if not dry_run:
        with database.transaction() as session:
            detail = {"types": sorted(types), "since": since.isoformat(), "marks": forgotten.marks}
            record_act(session, "events.forget", None, detail, actor=actor)
    return forgotten


def _forget(
    database: Database, chosen: list[inbox.Mark], forgotten: Forgotten, *, dry_run: bool
) -> None:
    with database.transaction() as session:
        kept = inbox.decided(session, [mark.event_id for mark in chosen])
        gone = [mark for mark in chosen if mark.event_id not in kept]
        if gone and not dry_run:
            inbox.unclaim_all(session, [mark.event_id for mark in gone])
    forgotten.marks += len(gone)
    forgotten.untyped += sum(mark.type is None for mark in gone)
    forgotten.kept += len(kept)
