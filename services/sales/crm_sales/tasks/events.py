"""What is told of tasks."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_sales.tasks.models import Task


def task_state(task: Task) -> dict[str, Any]:
    return {
        "id": task.id,
        "title": task.title,
        "kind": task.kind,
        "status": task.status,
        "due_at": instant_text(task.due_at),
        "due_on": task.due_on.isoformat(),
        "priority": task.priority,
        "related_type": task.related_type,
        "related_id": task.related_id,
        "account_id": task.account_id,
        "contact_id": task.contact_id,
        "owner_id": task.owner_id,
        "team_id": task.team_id,
        "completed_at": instant_text(task.completed_at),
    }


def task_created(session: Session, task: Task) -> None:
    record(session, "crm.sales.task.created.v1", task, task_state)


def task_changed(session: Session, task: Task) -> None:
    record(session, "crm.sales.task.changed.v1", task, task_state)


def task_completed(session: Session, task: Task) -> None:
    record(session, "crm.sales.task.completed.v1", task, task_state)


def task_cancelled(session: Session, task: Task) -> None:
    record(session, "crm.sales.task.cancelled.v1", task, task_state)


def task_reminded(session: Session, task: Task) -> None:
    """It will be due before long."""
    record(session, "crm.sales.task.reminded.v1", task, task_state)


def task_due(session: Session, task: Task) -> None:
    """It was to be done by now."""
    record(session, "crm.sales.task.due.v1", task, task_state)
