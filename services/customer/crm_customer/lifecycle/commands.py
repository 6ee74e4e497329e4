"""What moves customers through their life cycle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from sqlalchemy import case, delete, insert, select, union_all
from sqlalchemy.orm import Session

from crm_chassis.aggregate import change_fields
from crm_chassis.calendar import day_of, start_of
from crm_chassis.database import utc_now
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_customer.behaviour.commands import OrderDays
from crm_customer.kinds import KINDS, of_kind
from crm_customer.lifecycle import events, queries
from crm_customer.lifecycle.models import CarePlan, Lifecycle, LifecycleMove, LifecycleSettings
from crm_customer.lifecycle.stages import POTENTIAL, History, Move, Span, lapse_day
from crm_customer.replicas import Customers, deals
from crm_customer.timeline import timeline

LAPSE_TIMER = "customer.lapse"
"""Looks at one customer again on the day on which it lapses."""
SWEEP_TIMER = "customer.lifecycle_sweep"
"""Looks at all who ordered, a few at a time."""

_ENTRIES = UUID("5b0c3c6e-1c5f-5a0e-9a57-6f1f7f1f7a10")


def change_settings(session: Session, settings: LifecycleSettings, changes: dict[str, Any]) -> None:
    """Change the rules; everybody who ordered is looked at again."""
    if change_fields(settings, changes):
        events.settings_set(session, settings)
        set_timers(session, SWEEP_TIMER, {"": utc_now()})


def change_care(session: Session, plan: CarePlan, changes: dict[str, Any]) -> None:
    """Change the care of a stage."""
    if change_fields(plan, changes):
        events.care_plan_set(session, plan)


def reassess(
    session: Session,
    customers: Customers,
    order_days: Mapping[str, OrderDays],
    now: datetime,
) -> None:
    """Bring the stages of the customers, whose figures are locked, and their logs up to date.

    :param order_days: of those who ordered.
    """
    lapse_days, today = queries.settings(session).lapse_days, day_of(session, now)
    records = _records(session, customers)
    spans = _deals(session, customers)
    logs = _logs(session, customers)
    lifecycles = _lifecycles(session, customers, today)
    rewritten: dict[str, list[Move]] = {}
    for customer_id in sorted(customers):
        record = records.get(customer_id)
        if record is None:  # yet to come, and whose it is with it
            continue
        history = History(record.created_on, spans[customer_id], order_days.get(customer_id, {}))
        moves = history.moves(lapse_days, today)
        if moves != logs[customer_id]:
            rewritten[customer_id] = moves
        _move(session, lifecycles[customer_id], moves, record)
    _write_logs(session, customers, rewritten)
    _set_timers(session, customers, order_days, lapse_days, today)


def _lifecycles(session: Session, customers: Customers, today: date) -> dict[str, Lifecycle]:
    """The life cycles of the customers; those who had none are potential from today on."""
    standing = session.scalars(select(Lifecycle).where(Lifecycle.id.in_(customers)))
    found = {lifecycle.id: lifecycle for lifecycle in standing}
    for customer_id in sorted(customers.keys() - found.keys()):
        found[customer_id] = Lifecycle(
            id=customer_id, customer_type=customers[customer_id], stage=POTENTIAL, since=today
        )
        session.add(found[customer_id])
    return found


def _move(session: Session, lifecycle: Lifecycle, moves: Sequence[Move], record: Any) -> None:
    """Put the life cycle at the end of its log, and tell of it if that is another stage."""
    before, since = lifecycle.stage, lifecycle.since
    last = moves[-1] if moves else Move(record.created_on, before, POTENTIAL, 0)
    lifecycle.stage, lifecycle.since = last.to_stage, last.on
    if last.to_stage == before:
        return
    if last.from_stage != before:
        seconds = max(timedelta(0), last.on - since).total_seconds()
        last = Move(last.on, before, last.to_stage, int(seconds))
    events.lifecycle_moved(session, lifecycle, record.owner_id, record.team_id, last)


def _records(session: Session, customers: Customers) -> dict[str, Any]:
    """Since when customers are known and whose they are; without those not yet told of here."""
    parts = [
        select(kind.model.id, kind.model.created_on, kind.model.owner_id, kind.model.team_id).where(
            kind.model.id.in_(of_kind(kind, customers))
        )
        for kind in KINDS.values()
    ]
    return {row.id: row for row in session.execute(union_all(*parts))}


def _deals(session: Session, customers: Customers) -> defaultdict[str, list[Span]]:
    """When the customers' deals stood. One not engaged yet shows no intent; a won one stays."""
    lost_on = case((deals.c.stage_type.in_(("lost", "invalid")), deals.c.closed_on))
    parts = [
        select(deals.c[kind.key], deals.c.opened_on, lost_on)
        .where(
            deals.c[kind.key].in_(of_kind(kind, customers)),
            deals.c.opened_on.is_not(None),
        )
        .distinct()
        for kind in KINDS.values()
    ]
    found: defaultdict[str, list[Span]] = defaultdict(list)
    for customer_id, opened_on, closed_on in session.execute(union_all(*parts)):
        found[customer_id].append((opened_on, closed_on))
    return found


def _logs(session: Session, customers: Customers) -> defaultdict[str, list[Move]]:
    found: defaultdict[str, list[Move]] = defaultdict(list)
    rows = session.scalars(
        select(LifecycleMove)
        .where(LifecycleMove.customer_id.in_(customers))
        .order_by(LifecycleMove.customer_id, LifecycleMove.position)
    )
    for row in rows:
        move = Move(row.on, row.from_stage, row.to_stage, row.seconds_in_stage)
        found[row.customer_id].append(move)
    return found


def _write_logs(
    session: Session,
    customers: Customers,
    logs: Mapping[str, Sequence[Move]],
) -> None:
    """Write these logs over those that stand, in the table of moves and in the timeline."""
    if not logs:
        return
    session.execute(delete(LifecycleMove).where(LifecycleMove.customer_id.in_(logs)))
    session.execute(
        delete(timeline).where(timeline.c.kind == "lifecycle", timeline.c.ref.in_(logs))
    )
    moves, entries = [], []
    for customer_id, log in logs.items():
        kind = customers[customer_id]
        for position, move in enumerate(log, 1):
            facts = {"from_stage": move.from_stage, "to_stage": move.to_stage}
            moves.append(
                {
                    "customer_id": customer_id,
                    "position": position,
                    "on": move.on,
                    "seconds_in_stage": move.seconds_in_stage,
                    **facts,
                }
            )
            entries.append(
                {
                    "id": str(uuid5(_ENTRIES, f"{customer_id}:{position}")),
                    "at": start_of(session, move.on),
                    "kind": "lifecycle",
                    "what": "moved",
                    "ref": customer_id,
                    "account_id": customer_id if kind == "account" else None,
                    "contact_id": customer_id if kind == "contact" else None,
                    "facts": facts,
                }
            )
    if moves:
        session.execute(insert(LifecycleMove), moves)
        session.execute(insert(timeline), entries)


def _set_timers(
    session: Session,
    customers: Customers,
    order_days: Mapping[str, OrderDays],
    lapse_days: int,
    today: date,
) -> None:
    """Have those who ordered be looked at again when they lapse."""
    due = {
        customer_id: start_of(session, lapses_on)
        for customer_id, days in order_days.items()
        if (lapses_on := lapse_day(max(days), lapse_days)) > today
    }
    set_timers(session, LAPSE_TIMER, due)
    cancel_timers(session, LAPSE_TIMER, customers.keys() - due.keys())
