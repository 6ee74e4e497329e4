"""After a service was restored to an earlier moment: what the others saw of it since, made right.

Events that it published after that moment, and does not know any more, are *orphans*. The others
say which events of it they have seen (:func:`seen`); those that are not in its log are
orphans. A :class:`Reconciliation` tells the others that they are void, and tells them anew what is
true of the aggregates that they were about. At the others :mod:`crm_chassis.operations.voiding`
makes undone what only orphans did.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, TypeVar, cast

import orjson
from sqlalchemy import (
    MetaData,
    Table,
    Uuid,
    bindparam,
    select,
    update,
)
from sqlalchemy.orm import Session

from crm_chassis.database import Database, new_id
from crm_chassis.events import Event, decode, noun_of
from crm_chassis.inbox import inbox
from crm_chassis.numbering import Numbering, skip
from crm_chassis.operations.administration import record_act
from crm_chassis.outbox import event_log, record

_PIECE = 500
MOST_VOIDED = 1000
"""Events that are told of together as void."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An event as one that saw it knows it.

    :ivar at: when it was recorded; :ivar by: the service that saw it.
    :ivar actor: who caused it; :ivar number: that of the document it is about; where kept.
    """

    id: str
    type: str
    subject: str
    sequence: int
    at: str
    by: str
    actor: str | None = None
    number: str | None = None

    @classmethod
    def parse(cls, line: str | bytes) -> Seen:
        """:raises ValueError: it is no line of ``events seen``."""
        try:
            return cls(**orjson.loads(line))
        except TypeError as error:
            raise ValueError(str(error)) from None

    def line(self) -> str:
        return orjson.dumps(asdict(self)).decode()

    @property
    def noun(self) -> str:
        """What it is about."""
        return noun_of(self.type)


def first_id(since: datetime) -> str:
    """The smallest key that :func:`~crm_chassis.database.new_id` can have made from then on."""
    digits = f"{int(since.timestamp() * 1000):012x}" + "0" * 20
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _recorded_at(event_id: str) -> str:
    milliseconds = int(event_id.replace("-", "")[:12], 16)
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()


def seen(database: Database, service: str, producer: str, since: datetime) -> Iterator[Seen]:
    """The events of ``producer``, recorded since then, that ``service`` has seen."""
    prefix = f"crm.{producer}."
    columns = inbox.c
    recent = (
        select(columns.event_id, columns.type, columns.subject, columns.sequence, columns.body)
        .where(columns.event_id >= first_id(since))
        .where(columns.type.startswith(prefix) | columns.type.is_(None))
        .order_by(columns.event_id)
        .execution_options(yield_per=_PIECE)
    )
    with database.reading() as session:
        for event_id, event_type, subject, sequence, body in session.execute(recent):
            if body is not None:
                yield from _archived(decode(body), service, prefix)
            elif event_type is not None:
                yield Seen(
                    id=event_id,
                    type=event_type,
                    subject=subject,
                    sequence=sequence,
                    at=_recorded_at(event_id),
                    by=service,
                )


def _archived(event: Event, service: str, prefix: str) -> Iterator[Seen]:
    if event.type.startswith(prefix):
        yield Seen(
            id=event.id,
            type=event.type,
            subject=event.subject,
            sequence=event.sequence,
            at=event.time.isoformat(),
            by=service,
            actor=event.actor,
            number=event.data.get("number"),
        )


def unseen(
    session: Session, types: Collection[str], since: datetime, seen_ids: Collection[str]
) -> Iterator[str]:
    """The ids of the events of these types in the log, recorded since then, that are not among
    those seen."""
    log = event_log.c
    recent = (
        select(log.event_id)
        .where(log.recorded_at >= since, log.type.in_(types))
        .order_by(log.event_id)
        .execution_options(yield_per=_PIECE)
    )
    for event_id in session.scalars(recent):
        if event_id not in seen_ids:
            yield event_id


@dataclass(frozen=True, slots=True)
class Retold:
    """How the present state of an aggregate is told anew.

    :ivar publish: records an event with the whole state and no fact of a change.
    """

    model: type[Any]
    publish: Callable[[Session, Any], None]

    @property
    def table(self) -> Table:
        return cast("Table", self.model.__table__)


Retelling = Mapping[str, Retold]
"""By noun: ``order`` for ``crm.sales.order.*``. Those that others than reporting hear of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What others saw of a service that it does not know.

    :ivar gone: the orphans whose aggregate is not there any more; people may want it back.
    :ivar behind: by table, what is there in no later version than was seen.
    :ivar told: how many of these are told of anew.
    """

    orphans: Sequence[Seen]
    gone: Sequence[Seen]
    behind: Mapping[Table, Sequence[str]]
    told: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciliation:
    """Makes what others saw of one service what it is.

    :ivar metadata: the service's tables.
    """

    service: str
    metadata: MetaData
    retelling: Retelling
    numbering: Numbering

    def orphans(self, session: Session, told: Iterable[Seen]) -> list[Seen]:
        """Those of the service's events that it does not know itself, once each, oldest first."""
        prefix = f"crm.{self.service}."
        by_id: dict[str, Seen] = {}
        for each in told:
            if each.type.startswith(prefix) and (each.id not in by_id or each.actor is not None):
                by_id[each.id] = each
        for piece in _pieces(by_id):
            known = select(event_log.c.event_id).where(event_log.c.event_id.in_(piece))
            for event_id in session.scalars(known):
                del by_id[event_id]
        return [by_id[id_] for id_ in sorted(by_id)]

    def survey(self, session: Session, told: Iterable[Seen]) -> Outcome:
        """What there is to be made right; nothing is changed.

        :param told: by every consumer of the service.
        """
        orphans = self.orphans(session, told)
        highest = _highest(orphans)
        standing: set[str] = set()
        behind: dict[Table, list[str]] = {}
        for table in self.metadata.sorted_tables:
            if not _is_versioned(table):
                continue
            versions = _versions(session, table, highest)
            standing.update(versions)
            behind[table] = sorted(id_ for id_ in versions if versions[id_] <= highest[id_])
        told_anew = sum(len(behind[retold.table]) for retold in self.retelling.values())
        gone = [each for each in orphans if each.subject not in standing]
        return Outcome(orphans=orphans, gone=gone, behind=behind, told=told_anew)

    def reconcile(self, session: Session, told: Iterable[Seen], *, gap: int = 0) -> Outcome:
        """Tell the others of all that they were told wrongly. Done again, it changes nothing.

        :param told: by every consumer of the service.
        :param gap: how many numbers to leave out, for documents that nobody has seen.
        """
        outcome = self.survey(session, told)
        highest = _highest(outcome.orphans)
        for table, ids in outcome.behind.items():
            _raise_versions(session, table, {id_: highest[id_] + 1 for id_ in ids})
        for retold in self.retelling.values():
            _tell_anew(session, retold, outcome.behind[retold.table])
        self._void(session, outcome)
        skip(session, self.numbering, [each.number for each in outcome.orphans if each.number], gap)
        detail = {
            "orphans": len(outcome.orphans),
            "gone": len(outcome.gone),
            "told": outcome.told,
        }
        record_act(session, "events.reconcile", self.service, detail)
        return outcome

    @property
    def _voiding(self) -> str:
        return f"crm.{self.service}.events.voided.v1"

    def _void(self, session: Session, outcome: Outcome) -> None:
        before = self._voided_before(session)
        gone = {each.subject for each in outcome.gone}
        fresh = [
            {
                "id": each.id,
                "type": each.type,
                "subject": each.subject,
                "sequence": each.sequence,
                "gone": each.subject in gone,
            }
            for each in outcome.orphans
            if each.id not in before
        ]
        for piece in _pieces(fresh, MOST_VOIDED):
            lost = _Lost(new_id(), piece)
            record(session, self._voiding, lost, _Lost.state)

    def _voided_before(self, session: Session) -> set[str]:
        own = select(event_log.c.body).where(event_log.c.type == self._voiding)
        return {each["id"] for body in session.scalars(own) for each in decode(body).data["events"]}


@dataclass(slots=True)
class _Lost:
    """Orphans that are told of together."""

    id: str
    events: Sequence[Mapping[str, Any]]
    version: int = 1

    def state(self) -> dict[str, Any]:
        return {"id": self.id, "events": list(self.events)}


def _pieces(items: Iterable[T], size: int = _PIECE) -> Iterator[list[T]]:
    rest = iter(items)
    while piece := list(islice(rest, size)):
        yield piece


def _highest(orphans: Iterable[Seen]) -> dict[str, int]:
    highest: dict[str, int] = {}
    for each in orphans:
        highest[each.subject] = max(each.sequence, highest.get(each.subject, 0))
    return highest


def _is_versioned(table: Table) -> bool:
    return {"id", "version"} <= set(table.c.keys()) and isinstance(table.c.id.type, Uuid)


def _versions(session: Session, table: Table, ids: Iterable[str]) -> dict[str, int]:
    """The versions of what is there, which stay until the transaction ends."""
    found: dict[str, int] = {}
    for piece in _pieces(ids):
        rows = select(table.c.id, table.c.version).where(table.c.id.in_(piece))
        locked = session.execute(rows.order_by(table.c.id).with_for_update())
        found.update(locked.tuples().all())
    return found


def _raise_versions(session: Session, table: Table, versions: Mapping[str, int]) -> None:
    """Lift what stands above the versions that were seen of it.

    What comes after is newer then for all who saw a lost version, and who saw one cannot change
    what they did not see.
    """
    if not versions:
        return
    session.connection().execute(
        update(table).where(table.c.id == bindparam("key")).values(version=bindparam("above")),
        [{"key": key, "above": above} for key, above in versions.items()],
    )


def _tell_anew(session: Session, retold: Retold, ids: Iterable[str]) -> None:
    for piece in _pieces(ids):
        entities = select(retold.model).where(retold.model.id.in_(piece)).order_by(retold.model.id)
        for entity in session.scalars(entities, execution_options={"populate_existing": True}):
            retold.publish(session, entity)
