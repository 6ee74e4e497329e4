"""Keys that were merged into others: what refers to a merged aggregate follows it.

The service that owns the aggregates tells of each merge, and later perhaps that it was undone.
A service that keeps their keys in columns of its own declares those :class:`Reference` columns in
a :class:`MergedKeys`. A row then holds, at any time, the key that its *written* key stands for:
the key it was written with, followed through all merges that are in force. What was written is
remembered wherever it is not what the column holds, so that the outcome depends on which merges
are in force and not on the order in which they were told, and undoing one gives back exactly the
rows that it took.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Uuid,
    and_,
    delete,
    event,
    inspect,
    or_,
    select,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.orm.base import PassiveFlag

from crm_chassis.database import chassis_metadata, insert_into, lock, new_id, utc_now
from crm_chassis.events import Event, Voided
from crm_chassis.replicas import upsert_newer

merges = Table(
    "merged_keys",
    chassis_metadata,
    Column("id", Uuid(as_uuid=False), primary_key=True),
    Column("merged_id", Uuid(as_uuid=False), nullable=False),
    Column("survivor_id", Uuid(as_uuid=False), nullable=False),
    Column("in_force", Boolean, nullable=False),
    Column("sequence", Integer, nullable=False),
    Index("merged_keys_by_merged", "merged_id"),
    Index("merged_keys_by_survivor", "survivor_id"),
)

written_keys = Table(
    "written_keys",
    chassis_metadata,
    Column("place", String(100), primary_key=True),
    Column("row_id", Uuid(as_uuid=False), primary_key=True),
    Column("key", Uuid(as_uuid=False), nullable=False),
    Index("written_keys_by_key", "key", "place"),
)

_WRITERS_LOCK = 7240621
"""So that no row is written with a key between its merge and the rows' following it."""
_BATCH = 500

Publish = Callable[[Session, Any], None]
"""Tells that an aggregate changed, as ``events.order_changed`` does."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A column that holds keys of aggregates which may be merged.

    :ivar column: of a mapped class whose key is ``id``; no unique constraint goes over it.
    :ivar publish: called for each row that another key was written into; its version is one up
        then. None for rows that are nobody else's business.
    """

    column: InstrumentedAttribute[Any]
    publish: Publish | None = None

    @property
    def model(self) -> type[Any]:
        return cast("type[Any]", self.column.class_)

    @property
    def place(self) -> str:
        return f"{self.model.__tablename__}.{self.column.key}"


@dataclass(frozen=True, slots=True)
class Merge:
    """One merge as last told of.

    :ivar sequence: of the telling; the largest one is right.
    """

    id: str
    merged_id: str
    survivor_id: str
    in_force: bool
    sequence: int


@dataclass(slots=True)
class _Chains:
    """The merges that hang together with some keys, and what each of the keys stands for."""

    into: dict[str, str] = field(default_factory=dict)
    keys: set[str] = field(default_factory=set)

    def end_of(self, key: str) -> str:
        seen = {key}
        while (following := self.into.get(key)) is not None and following not in seen:
            seen.add(following)
            key = following
        return key


class MergedKeys:
    """The references of one service.

    :param references: by the kind of aggregate that they hold keys of.
    """

    def __init__(self, references: Mapping[str, Sequence[Reference]]) -> None:
        self._references = references
        self._watched: dict[type[Any], list[Reference]] = defaultdict(list)
        places = {each.place: each for some in references.values() for each in some}
        for reference in places.values():
            self._watched[reference.model].append(reference)
        event.listen(Session, "before_flush", self._resolve_written)

    @property
    def places(self) -> set[str]:
        """The columns that follow merges, as ``table.column``."""
        return {each.place for some in self._references.values() for each in some}

    def on_merge(self, session: Session, events: Sequence[Event]) -> None:
        """Handle merges done and undone; ``data`` is the public state of a merge."""
        by_kind: dict[str, list[Merge]] = defaultdict(list)
        for each in events:
            by_kind[each.data["kind"]].append(_told(each))
        for kind, told in by_kind.items():
            self.apply(session, kind, told)

    def apply(self, session: Session, kind: str, told: Sequence[Merge]) -> dict[str, set[str]]:
        """Have all references stand as these merges, and those told of earlier, ask for.

        :returns: by place, the ids of the rows that another key was written into.
        """
        if kind not in self._references:
            return {}
        return self._apply(session, self._references[kind], told)

    def forget(self, session: Session, voided: Sequence[Voided]) -> None:
        """Part again what only merges that are gone put together."""
        gone = {each.subject for each in voided if each.gone and each.noun == "merge"}
        standing = session.execute(select(merges).where(merges.c.id.in_(gone))).all()
        if not standing:
            return
        parted = [
            Merge(row.id, row.merged_id, row.survivor_id, False, row.sequence + 1)
            for row in standing
        ]
        references = [each for some in self._references.values() for each in some]
        self._apply(session, references, parted)
        session.execute(delete(merges).where(merges.c.id.in_(gone)))

    def _apply(
        self, session: Session, references: Iterable[Reference], told: Sequence[Merge]
    ) -> dict[str, set[str]]:
        lock(session, _WRITERS_LOCK)
        keys = {key for merge in told for key in (merge.merged_id, merge.survivor_id)}
        before = _chains(session, keys)
        upsert_newer(
            session,
            merges,
            (
                {
                    "id": merge.id,
                    "merged_id": merge.merged_id,
                    "survivor_id": merge.survivor_id,
                    "in_force": merge.in_force,
                    "sequence": merge.sequence,
                }
                for merge in told
            ),
        )
        after = _chains(session, keys)
        moves = {
            key: after.end_of(key)
            for key in sorted(before.keys | after.keys | keys)
            if before.end_of(key) != after.end_of(key)
        }
        session.flush()
        moved: dict[str, set[str]] = {}
        for reference in references:
            rows = [row for key, to in moves.items() for row in _move(session, reference, key, to)]
            _publish(session, reference, rows)
            moved[reference.place] = set(rows)
        return moved

    def _resolve_written(self, session: Session, _context: object, _objects: object) -> None:
        """Before each flush: what is written with a merged key goes to the one it stands for."""
        written = list(self._written(session))
        if not written:
            return
        lock(session, _WRITERS_LOCK, shared=True)
        current = current_keys(session, {key for _, _, key in written if key is not None})
        remembered: list[dict[str, Any]] = []
        forgotten: dict[str, list[str]] = defaultdict(list)
        for entity, reference, key in written:
            if inspect(entity).persistent:
                forgotten[reference.place].append(entity.id)
            if key is not None and current[key] != key:
                entity.id = entity.id or new_id()
                setattr(entity, reference.column.key, current[key])
                remembered.append({"place": reference.place, "row_id": entity.id, "key": key})
        for place, ids in forgotten.items():
            session.execute(_forget(place, ids))
        if remembered:
            _remember(session, remembered)

    def _written(self, session: Session) -> Iterator[tuple[Any, Reference, str | None]]:
        for entity in (*session.new, *session.dirty):
            for reference in self._watched.get(type(entity), ()):
                state = inspect(entity)
                history = state.get_history(reference.column.key, PassiveFlag.PASSIVE_NO_INITIALIZE)
                if history.added and (history.added[0] is not None or entity in session.dirty):
                    yield entity, reference, history.added[0]


def _told(each: Event) -> Merge:
    data = each.data
    return Merge(
        each.subject,
        data["merged_id"],
        data["survivor_id"],
        data["status"] == "done",
        each.sequence,
    )


def current_keys(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """What each of the keys stands for now: itself, unless it was merged into another."""
    wanted = set(keys)
    into = _following(session, wanted)
    chains = _Chains(dict(into))
    while fresh := set(into.values()) - chains.into.keys():
        into = _following(session, fresh)
        chains.into.update(into)
    return {key: chains.end_of(key) for key in wanted}


def current_key(session: Session, key: str) -> str:
    """What a key stands for now: itself, unless it was merged into another."""
    return current_keys(session, [key])[key]


def _following(session: Session, keys: Iterable[str]) -> dict[str, str]:
    """The keys, of those given, that are merged, with what into.

    Of two merges of one key the later is right; the end of the earlier was not told yet.
    """
    wanted = list(keys)
    if not wanted:
        return {}
    columns = merges.c
    rows = session.execute(
        select(columns.merged_id, columns.survivor_id)
        .where(columns.merged_id.in_(wanted), columns.in_force)
        .order_by(columns.id)
    )
    return dict(rows.tuples().all())


def _chains(session: Session, keys: set[str]) -> _Chains:
    """All that hangs together with the keys by merges, in force or not."""
    chains, fresh = _Chains(), set(keys)
    columns = merges.c
    known: dict[str, Any] = {}
    while fresh:
        chains.keys |= fresh
        rows = session.execute(
            select(merges).where(or_(columns.merged_id.in_(fresh), columns.survivor_id.in_(fresh)))
        ).all()
        known |= {row.id: row for row in rows}
        fresh = {key for row in rows for key in (row.merged_id, row.survivor_id)} - chains.keys
    for _, row in sorted(known.items()):  # of two merges of one key the later is right
        if row.in_force:
            chains.into[row.merged_id] = row.survivor_id
    return chains


def _move(session: Session, reference: Reference, key: str, to: str) -> list[str]:
    """Have every row that was written with ``key`` hold ``to``.

    :returns: the ids of the rows whose column changed.
    """
    model, column, place = reference.model, reference.column, reference.place
    of_row = and_(written_keys.c.place == place, written_keys.c.row_id == model.id)
    values: dict[Any, Any] = {column.key: to}
    if reference.publish is not None:
        values |= {"version": model.version + 1, "updated_at": utc_now()}
    change = update(model).values(values).execution_options(synchronize_session=False)
    remembered = select(written_keys.c.row_id).where(
        written_keys.c.place == place, written_keys.c.key == key
    )
    moved = list(
        session.scalars(change.where(model.id.in_(remembered), column != to).returning(model.id))
    )
    if to == key:
        ids = session.scalars(remembered).all()
        for start in range(0, len(ids), _BATCH):
            session.execute(_forget(place, ids[start : start + _BATCH]))
        return moved
    unmoved = ~select(written_keys.c.row_id).where(of_row).exists()
    fresh = session.scalars(change.where(column == key, unmoved).returning(model.id)).all()
    _remember(session, [{"place": place, "row_id": row_id, "key": key} for row_id in fresh])
    return [*moved, *fresh]


def _publish(session: Session, reference: Reference, ids: Sequence[str]) -> None:
    if reference.publish is None:
        return
    model = reference.model
    for start in range(0, len(ids), _BATCH):
        statement = select(model).where(model.id.in_(ids[start : start + _BATCH]))
        fresh = session.scalars(statement, execution_options={"populate_existing": True})
        for entity in fresh:
            reference.publish(session, entity)


def _remember(session: Session, rows: Sequence[Mapping[str, Any]]) -> None:
    if not rows:
        return
    insert = insert_into(session, written_keys)
    statement = insert.on_conflict_do_update(
        index_elements=["place", "row_id"], set_={"key": insert.excluded.key}
    )
    session.execute(statement, [dict(row) for row in rows])


def _forget(place: str, ids: Sequence[str]) -> Any:
    return delete(written_keys).where(written_keys.c.place == place, written_keys.c.row_id.in_(ids))
