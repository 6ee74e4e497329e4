"""What can be done with tasks."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis import calendar
from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.database import new_id, utc_now
from crm_chassis.scheduler import cancel_timers, set_timers
from crm_sales import related
from crm_sales.tasks import events
from crm_sales.tasks.models import Task

WRITE = "sales.tasks.write"
DUE, REMINDER = "sales.task_due", "sales.task_reminder"
"""The timers of an open task."""


def create(session: Session, principal: Principal, values: dict[str, Any]) -> Task:
    """Give somebody something to do; it belongs to the given owner, or else to who says it.

    :raises Problem: 422 when it is about something that is not there or not visible.
    """
    due_at, due_on = _due(session, values)
    rest = _columns(session, values)
    task = Task(**{"id": new_id(), "due_at": due_at, "due_on": due_on} | rest)
    task.kind, task.priority = task.kind or "todo", task.priority or "normal"
    task.status = "open"
    assign(session, task, values.get("owner_id", default_owner(principal)), WRITE)
    session.add(task)
    _set_timers(session, task)
    events.task_created(session, task)
    return task


def _due(session: Session, values: dict[str, Any]) -> tuple[datetime, date]:
    """When it is due, as the moment and as the business day."""
    if "due_on" in values:
        due_on = values.pop("due_on")
        return calendar.end_of(session, due_on), due_on
    due_at = values.pop("due_at")
    return due_at, calendar.day_of(session, due_at)


def _columns(session: Session, values: dict[str, Any]) -> dict[str, Any]:
    """The values with what the task is about, as columns."""
    if "related_type" not in values:
        return values
    if values["related_type"] is None:
        return values | {"account_id": None, "contact_id": None}
    thing = related.named(session, values["related_type"], values["related_id"])
    return values | thing.columns()


def change(session: Session, task: Task, changes: dict[str, Any]) -> None:
    """Change the given fields; a new owner brings a new team.

    :raises Problem: 422 when it is to be about something that is not there or not visible.
    """
    before = task.due_at, task.remind_minutes
    if {"due_at", "due_on"} & changes.keys():
        task.put_off(*_due(session, changes))
    if "remind_minutes" in changes and changes["remind_minutes"] != task.remind_minutes:
        task.reminded_at = None
    if "owner_id" in changes and changes["owner_id"] != task.owner_id:
        assign(session, task, changes.pop("owner_id"), WRITE)
    change_fields(task, _columns(session, changes))
    if not session.is_modified(task):
        return
    if (task.due_at, task.remind_minutes) != before and task.status == "open":
        _cancel_timers(session, task)
        _set_timers(session, task)
    events.task_changed(session, task)


def complete(session: Session, task: Task) -> None:
    """Mark a task as done."""
    task.complete(utc_now())
    _cancel_timers(session, task)
    events.task_completed(session, task)


def cancel(session: Session, task: Task) -> None:
    """Give a task up."""
    task.cancel()
    _cancel_timers(session, task)
    events.task_cancelled(session, task)


def reopen(session: Session, task: Task) -> None:
    """Take up a task again; what was told of it is not told again."""
    task.reopen()
    _set_timers(session, task)
    events.task_changed(session, task)


def _set_timers(session: Session, task: Task) -> None:
    if task.due_told_at is None:
        set_timers(session, DUE, {task.id: task.due_at})
        if task.remind_at is not None:
            set_timers(session, REMINDER, {task.id: task.remind_at})


def _cancel_timers(session: Session, task: Task) -> None:
    for kind in (DUE, REMINDER):
        cancel_timers(session, kind, [task.id])
