"""``/v1/tasks``"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask.views import MethodView
from marshmallow import fields
from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one, visible_to_change
from crm_chassis.auth import current_principal, visible
from crm_chassis.fields import Instant, Reference, changes_of
from crm_chassis.imports_api import Export
from crm_chassis.paging import Listing, Page, at_least, at_most, equals, page_schema
from crm_chassis.web import Blueprint, reads, versioned, writes
from crm_sales.tasks import commands
from crm_sales.tasks.models import Task
from crm_sales.tasks.schemas import NewTask, TaskFields, TaskView

READ, WRITE = "sales.tasks.read", commands.WRITE

LISTING = Listing(
    Task,
    sorts={"due_at": Task.due_at, "created_at": Task.created_at},
    default="due_at",
    filters={
        "status": equals(Task.status),
        "kind": equals(Task.kind),
        "priority": equals(Task.priority),
        "owner_id": equals(Task.owner_id, Reference),
        "team_id": equals(Task.team_id, Reference),
        "related_type": equals(Task.related_type),
        "related_id": equals(Task.related_id, Reference),
        "account_id": equals(Task.account_id, Reference),
        "contact_id": equals(Task.contact_id, Reference),
        "due_at_from": at_least(Task.due_at, Instant),
        "due_at_to": at_most(Task.due_at, Instant),
        "due_on_from": at_least(Task.due_on, fields.Date),
        "due_on_to": at_most(Task.due_on, fields.Date),
    },
    search=[Task.title],
)

blueprint = Blueprint("tasks", __name__, url_prefix="/v1/tasks", description="Tasks")


def _visible_tasks() -> Select[tuple[Task]]:
    return visible(select(Task), Task, READ)


def _moved(session: Session, task_id: object, move: Callable[[Session, Task], None]) -> Any:
    task = visible_to_change(session, Task, task_id, WRITE)
    move(session, task)
    return versioned(session, task)


@blueprint.route("")
class Tasks(MethodView):
    @reads(READ)
    @blueprint.arguments(LISTING.schema, location="query")
    @blueprint.response(200, page_schema(TaskView))
    def get(self, query: dict[str, Any], session: Session) -> Page[Task]:
        """List tasks, those due first in front."""
        return LISTING.page(session, _visible_tasks(), query)

    @writes(WRITE)
    @blueprint.arguments(NewTask)
    @blueprint.response(201, TaskView)
    def post(self, values: dict[str, Any], session: Session) -> Any:
        """Give somebody something to do by a time."""
        return versioned(session, commands.create(session, current_principal(), values))


@blueprint.route("/<uuid:task_id>")
class TaskById(MethodView):
    @reads(READ)
    @blueprint.response(200, TaskView)
    def get(self, task_id: object, session: Session) -> Any:
        """Read a task."""
        return versioned(session, visible_one(session, Task, task_id, READ))

    @writes(WRITE, if_match=True)
    @blueprint.arguments(changes_of(TaskFields))
    @blueprint.response(200, TaskView)
    def patch(self, changes: dict[str, Any], task_id: object, session: Session) -> Any:
        """Change a task."""
        task = visible_to_change(session, Task, task_id, WRITE)
        commands.change(session, task, changes)
        return versioned(session, task)


@blueprint.route("/<uuid:task_id>/complete")
class TaskCompletion(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, TaskView)
    def post(self, task_id: object, session: Session) -> Any:
        """Mark a task as done."""
        return _moved(session, task_id, commands.complete)


@blueprint.route("/<uuid:task_id>/cancel")
class TaskCancellation(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, TaskView)
    def post(self, task_id: object, session: Session) -> Any:
        """Give a task up."""
        return _moved(session, task_id, commands.cancel)


@blueprint.route("/<uuid:task_id>/reopen")
class TaskReopening(MethodView):
    @writes(WRITE, if_match=True)
    @blueprint.response(200, TaskView)
    def post(self, task_id: object, session: Session) -> Any:
        """Take up a task again."""
        return _moved(session, task_id, commands.reopen)


EXPORT = Export("tasks", TaskView, LISTING, _visible_tasks, READ)
