"""What events tell: states, marks and facts, to be merged in any order, any number of times.

A table's rows are the least upper bound of what was observed of them: of the fields, those with the
largest sequence; of a mark, the largest. That is commutative, associative and idempotent, so the
same events give the same tables in whichever order and however often they come.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from crm_chassis.events import Event
from crm_reporting.projections.columns import Fields, stage_key, ten_thousandths
from crm_reporting.projections.rollups import LEAD, OPPORTUNITY, PROSPECT, WON


@dataclass(slots=True)
class Observation:
    """What is known of one row.

    :ivar sequence: version of the aggregate that ``data`` is the state of; 0 when only its id is
        known.
    :ivar marks: columns that only ever grow.
    """

    sequence: int = 0
    data: Fields = field(default_factory=dict)
    marks: Fields = field(default_factory=dict)

    def merge(self, other: Observation) -> Observation:
        """What both tell together."""
        newer = other if other.sequence > self.sequence else self
        marks = dict(self.marks)
        for name, mark in other.marks.items():
            marks[name] = max(marks.get(name, mark), mark)
        return Observation(newer.sequence, newer.data, marks)


@dataclass(slots=True)
class Batch:
    """What a batch of events tells.

    :ivar states: table to id to what is known of that row.
    :ivar facts: table to key to the row, for rows that are only ever added.
    """

    states: dict[str, dict[str, Observation]] = field(default_factory=dict)
    facts: dict[str, dict[Any, Fields]] = field(default_factory=dict)

    def observe(self, table: str, id_: str, observation: Observation) -> None:
        rows = self.states.setdefault(table, {})
        known = rows.get(id_)
        rows[id_] = observation if known is None else known.merge(observation)

    def add(self, table: str, key: Any, fields: Fields) -> None:
        self.facts.setdefault(table, {})[key] = fields


_LEAVES_OPEN_STAGE = ("stage_changed", "won", "lost")


def furthest(pipeline: str, order: int, stage: str) -> str:
    """How far a deal has come, as a text whose order is that of the stages of its pipeline.

    :param order: the place that the stage had then; it may have another one by now.
    """
    return f"{pipeline}/{order:06d}/{stage}"


class Reader:
    """Reads events into batches.

    :param zone: where the business day of a move begins that carries no business day itself.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._read: Mapping[str, Callable[[Event, str, Batch], None]] = {
            "crm.sales.opportunity": self._opportunity,
            "crm.sales.lead": self._lead,
            "crm.sales.target": _alone("targets"),
            "crm.sales.product": _alone("products"),
            "crm.sales.pipeline": _alone("pipelines"),
            "crm.customer.account": _alone("accounts"),
            "crm.customer.interaction": _of_account("interactions"),
            "crm.customer.lifecycle": _life_cycle,
            "crm.marketing.campaign": _alone("campaigns"),
            "crm.service-desk.ticket": _of_account("tickets"),
            "crm.sales.order": _order,
            "crm.sales.receipt": _of_account("receipts"),
            "crm.sales.request": _of_account("requests"),
        }

    def knows(self, event_type: str) -> bool:
        """True for the events that a projection is made of; the others are only archived."""
        return _aggregate(event_type)[0] in self._read

    def read(self, events: Sequence[Event]) -> Batch:
        """What the events tell together."""
        batch = Batch()
        for event in events:
            aggregate, verb = _aggregate(event.type)
            if read := self._read.get(aggregate):
                read(event, verb, batch)
        return batch

    def _opportunity(self, event: Event, verb: str, batch: Batch) -> None:
        data = event.data
        pipeline, stage = data["pipeline"], data["stage"]
        order, kind = data["stage_order"], data["stage_type"]
        # A deal that is lost or invalid has come as far as the stage it left, not to a last stage.
        reached = (order, stage) if kind in ("open", "won") else (0, "")
        change = data.get("change", {})
        if verb in _LEAVES_OPEN_STAGE:
            left = change.get("from_pipeline", pipeline)
            if left == pipeline:
                reached = max(reached, (change["from_stage_order"], change["from_stage"]))
            day = data["closed_on"] if kind in ("won", "lost") else None
            move = {
                "opportunity_id": event.subject,
                "from_stage": stage_key(left, change["from_stage"]),
                "to_stage": stage_key(pipeline, change["to_stage"]),
                "seconds": change["seconds_in_stage"],
            }
            batch.add("stage_moves", event.id, self._moved(event, move, day))
        marks = {"furthest_stage": furthest(pipeline, *reached)}
        batch.observe("opportunities", event.subject, Observation(event.sequence, data, marks))
        batch.add("pipeline_stages", (pipeline, stage, order, kind), {})
        if data["account_id"]:
            batch.observe("accounts", data["account_id"], Observation())
        if data["lead_id"]:
            step = WON if kind == "won" else OPPORTUNITY
            batch.observe("leads", data["lead_id"], Observation(marks={"step": step}))

    def _lead(self, event: Event, verb: str, batch: Batch) -> None:
        data = event.data
        change = data.get("change", {})
        if verb in ("status_changed", "converted"):
            move = {
                "lead_id": event.subject,
                "from_status": change["from_status"],
                "to_status": change.get("to_status", "converted"),
                "seconds": change["seconds_in_status"],
            }
            day = data["converted_on"] if verb == "converted" else None
            batch.add("lead_moves", event.id, self._moved(event, move, day))
        if data["opportunity_id"]:
            step = OPPORTUNITY
        elif "qualified" in (data["status"], change.get("from_status")):
            step = PROSPECT
        else:
            step = LEAD
        batch.observe("leads", event.subject, Observation(event.sequence, data, {"step": step}))

    def _moved(self, event: Event, move: Fields, day: str | None) -> Fields:
        """A move's row; its day is the business day in the event, else the day it was made."""
        on = date.fromisoformat(day) if day else event.time.astimezone(self._zone).date()
        owner = {"owner_id": event.data["owner_id"], "team_id": event.data["team_id"]}
        return {**move, "moved_on": on, **owner}


def _aggregate(event_type: str) -> tuple[str, str]:
    """crm.sales.lead.created.v1 is of crm.sales.lead, which was created."""
    aggregate, verb, _version = event_type.rsplit(".", 2)
    return aggregate, verb


def _alone(table: str) -> Callable[[Event, str, Batch], None]:
    """Reads an event that tells of its own aggregate alone."""

    def read(event: Event, _verb: str, batch: Batch) -> None:
        batch.observe(table, event.subject, Observation(event.sequence, event.data))

    return read


def _of_account(table: str) -> Callable[[Event, str, Batch], None]:
    """Reads an event that tells of its own aggregate and names its account."""

    def read(event: Event, _verb: str, batch: Batch) -> None:
        batch.observe(table, event.subject, Observation(event.sequence, event.data))
        if account := event.data["account_id"]:
            batch.observe("accounts", account, Observation())

    return read


_read_order = _of_account("orders")


def _order(event: Event, verb: str, batch: Batch) -> None:
    _read_order(event, verb, batch)
    if verb == "returned":
        data, change = event.data, event.data["change"]
        returned = {
            "order_id": event.subject,
            "amount": ten_thousandths(change["amount"]),
            "currency": data["currency"],
            "returned_on": date.fromisoformat(change["returned_on"]),
            "owner_id": data["owner_id"],
            "team_id": data["team_id"],
        }
        batch.add("order_returns", change["return_id"], returned)


def _life_cycle(event: Event, _verb: str, batch: Batch) -> None:
    data = {**event.data, "entered_on": event.data["change"]["on"]}
    batch.observe("life_cycles", event.subject, Observation(event.sequence, data))
