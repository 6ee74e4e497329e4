"""What the people of the sample company did of late, and what they are to do these days."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from random import Random

from crm_local.sample.deals import Deal
from crm_local.sample.records import Entry, Move, Ref, external_id
from crm_local.sample.timeline import Timeline

_DEALS_WITH_TASKS = 26
_DEALS_WITH_ACTIVITIES = 24
_DUE_DAYS = (-3, -1, 0, 0, 0, 1, 1, 2, 3, 5, 7)
_DONE = 0.15
_TASKS = (
    ("call", "Call about the offer", "电话跟进报价"),
    ("email", "Send the references", "发送案例资料"),
    ("demo", "Prepare the demonstration", "准备演示"),
    ("meeting", "Agree on a date for the meeting", "约定会议时间"),
    ("todo", "Check the delivery time", "确认交期"),
)
_ACTIVITIES = (
    ("call", "Asked about the decision", "询问决策进展"),
    ("demo", "Showed the instrument", "现场演示仪器"),
    ("meeting", "Went through the offer", "讨论报价"),
    ("note", "Their budget is decided next month", "预算下月确定"),
)
_PRIORITIES = ("normal", "normal", "normal", "high", "low")


def make_tasks(chance: Random, timeline: Timeline, deals: Sequence[Deal]) -> list[Entry]:
    """What is to be done about open deals: late, today, and in the next days."""
    return [
        _task(chance, timeline, deal, _DUE_DAYS[place % len(_DUE_DAYS)])
        for place, deal in enumerate(_open(deals, _DEALS_WITH_TASKS))
    ]


def _task(chance: Random, timeline: Timeline, deal: Deal, due_in: int) -> Entry:
    kind, english, chinese = chance.choice(_TASKS)
    done = chance.random() < _DONE
    return Entry(
        {
            "title": chinese if deal.firm.market.is_chinese else english,
            "kind": kind,
            "priority": chance.choice(_PRIORITIES),
            "due_on": str(timeline.today + timedelta(days=due_in)),
            "owner_id": Ref("users", external_id("user", deal.owner.key)),
            "related_type": "opportunity",
            "related_id": Ref("opportunities", deal.key),
        },
        [Move({"status": "open"}, "complete")] if done else (),
    )


def make_activities(chance: Random, timeline: Timeline, deals: Sequence[Deal]) -> list[Entry]:
    """What was done about open deals in the last weeks."""
    return [_activity(chance, timeline, deal) for deal in _open(deals, _DEALS_WITH_ACTIVITIES)]


def _activity(chance: Random, timeline: Timeline, deal: Deal) -> Entry:
    kind, english, chinese = chance.choice(_ACTIVITIES)
    since = min(max(1, timeline.age(deal.course.opened_on)), 30)
    day = timeline.today - timedelta(days=chance.randrange(1, since + 1))
    return Entry(
        {
            "kind": kind,
            "subject": chinese if deal.firm.market.is_chinese else english,
            "occurred_at": f"{day}T{chance.randrange(7, 16):02d}:{chance.randrange(60):02d}:00Z",
            "minutes": None if kind == "note" else 5 * chance.randrange(1, 13),
            "owner_id": Ref("users", external_id("user", deal.owner.key)),
            "related_type": "opportunity",
            "related_id": Ref("opportunities", deal.key),
        }
    )


def _open(deals: Sequence[Deal], most: int) -> Iterator[Deal]:
    """So many of the open deals that go by an external id, the latest first."""
    known = [deal for deal in deals if deal.course.closing is None and deal.has_external_id]
    yield from sorted(known, key=lambda deal: deal.course.opened_on, reverse=True)[:most]
