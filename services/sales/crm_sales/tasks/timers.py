"""What happens to tasks when their time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from crm_sales.due import lock_due
from crm_sales.tasks import commands, events
from crm_sales.tasks.models import Task


def tell_due(session: Session, task_ids: Sequence[str], now: datetime) -> None:
    """Tell of the open tasks that are due."""
    for task in lock_due(session, commands.DUE, Task, task_ids, now):
        if task.status == "open" and task.due_at <= now and task.due_told_at is None:
            task.due_told_at = now
            events.task_due(session, task)


def remind(session: Session, task_ids: Sequence[str], now: datetime) -> None:
    """Tell of the open tasks that will be due before long; one that is due needs no reminder."""
    for task in lock_due(session, commands.REMINDER, Task, task_ids, now):
        if task.status == "open" and _to_remind(task, now):
            task.reminded_at = now
            events.task_reminded(session, task)


def _to_remind(task: Task, now: datetime) -> bool:
    return task.remind_at is not None and task.remind_at <= now < task.due_at


TIMERS = {commands.DUE: tell_due, commands.REMINDER: remind}
