"""What waits for a salesperson, each section with one bounded query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from crm_chassis.auth import Principal
from crm_sales.comments.models import Comment, Mention
from crm_sales.comments.queries import addressed_to
from crm_sales.contracts.models import Contract
from crm_sales.follow_ups.models import FollowUp
from crm_sales.inbox.models import MOST_COUNTED, Day, Section
from crm_sales.leads.models import OPEN_STATUSES, Lead
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders.models import Order
from crm_sales.reviews.models import ReviewQuestion
from crm_sales.tasks.models import Task

Query = Callable[[Principal, Day], Select[Any]]


def _leads(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(
        Lead.id,
        Lead.name,
        Lead.company,
        Lead.source,
        Lead.score,
        Lead.status,
        Lead.created_at,
        Lead.reminded_at,
    ).where(*conditions)


def _leads_today(me: Principal, day: Day) -> Select[Any]:
    mine = Lead.owner_id == me.id, Lead.created_at >= day.start, Lead.status.in_(OPEN_STATUSES)
    return _leads(*mine).order_by(Lead.created_at.desc(), Lead.id.desc())


def _leads_waiting(me: Principal, _day: Day) -> Select[Any]:
    waiting = _leads(Lead.owner_id == me.id, Lead.reminded_at.is_not(None))
    return waiting.order_by(Lead.reminded_at, Lead.id)


def _tasks(me: Principal, *conditions: ColumnElement[bool]) -> Select[Any]:
    columns = (
        Task.id,
        Task.title,
        Task.kind,
        Task.priority,
        Task.due_at,
        Task.due_on,
        Task.related_type,
        Task.related_id,
        Task.account_id,
    )
    mine = Task.owner_id == me.id, Task.status == "open"
    return select(*columns).where(*mine, *conditions).order_by(Task.due_at, Task.id)


def _tasks_overdue(me: Principal, day: Day) -> Select[Any]:
    return _tasks(me, Task.due_at < day.now)


def _tasks_today(me: Principal, day: Day) -> Select[Any]:
    return _tasks(me, Task.due_at >= day.now, Task.due_at <= day.end)


def _follow_ups(me: Principal, _day: Day) -> Select[Any]:
    return (
        select(
            Opportunity.id.label("opportunity_id"),
            Opportunity.name,
            Opportunity.stage,
            Opportunity.amount,
            Opportunity.currency,
            Opportunity.account_id,
            FollowUp.last_activity_at,
            FollowUp.due_told_at,
        )
        .join(FollowUp, FollowUp.id == Opportunity.id)
        .where(
            Opportunity.owner_id == me.id,
            Opportunity.stage_type == "open",
            FollowUp.due_told_at.is_not(None),
            FollowUp.due_told_at >= Opportunity.stage_since,
        )
        .order_by(FollowUp.due_told_at, FollowUp.id)
    )


def _contracts(me: Principal, _day: Day) -> Select[Any]:
    return (
        select(
            Contract.id,
            Contract.number,
            Contract.title,
            Contract.account_id,
            Contract.amount,
            Contract.currency,
            Contract.ends_on,
        )
        .where(
            Contract.owner_id == me.id,
            Contract.status == "active",
            Contract.reminded_on.is_not(None),
        )
        .order_by(Contract.ends_on, Contract.id)
    )


def _orders(me: Principal, _day: Day) -> Select[Any]:
    return (
        select(
            Order.id,
            Order.number,
            Order.account_id,
            Order.contact_id,
            Order.total,
            Order.paid_amount,
            Order.currency,
            Order.placed_at,
        )
        .where(Order.owner_id == me.id, Order.payment_overdue)
        .order_by(Order.placed_at, Order.id)
    )


def _mentions(me: Principal, _day: Day) -> Select[Any]:
    return (
        select(
            Mention.id,
            Mention.comment_id,
            Mention.related_type,
            Mention.related_id,
            Mention.created_at,
            Comment.author_id,
            Comment.text,
        )
        .join(Comment, Comment.id == Mention.comment_id)
        .where(addressed_to(me), Mention.read_at.is_(None))
        .order_by(Mention.created_at.desc(), Mention.id.desc())
    )


def _questions(me: Principal, _day: Day) -> Select[Any]:
    return (
        select(
            ReviewQuestion.id,
            ReviewQuestion.review_id,
            ReviewQuestion.opportunity_id,
            ReviewQuestion.text,
            ReviewQuestion.asked_by,
            ReviewQuestion.due_on,
            ReviewQuestion.created_at,
        )
        .where(ReviewQuestion.owner_id == me.id, ReviewQuestion.status == "open")
        .order_by(ReviewQuestion.created_at, ReviewQuestion.id)
    )


_SECTIONS: dict[str, tuple[str, Query]] = {
    "leads_today": ("sales.leads.read", _leads_today),
    "leads_waiting": ("sales.leads.read", _leads_waiting),
    "tasks_overdue": ("sales.tasks.read", _tasks_overdue),
    "tasks_today": ("sales.tasks.read", _tasks_today),
    "follow_ups": ("sales.opportunities.read", _follow_ups),
    "contracts_expiring": ("sales.contracts.read", _contracts),
    "orders_unpaid": ("sales.orders.read", _orders),
    "mentions": ("sales.comments.read", _mentions),
    "questions": ("sales.reviews.read", _questions),
}


def inbox(session: Session, me: Principal, day: Day, limit: int) -> dict[str, Section | None]:
    """What waits for somebody, by section; None for one that they have no permission for.

    :param limit: of the items in each section.
    """
    return {
        name: _section(session, query(me, day), limit) if me.may(permission) else None
        for name, (permission, query) in _SECTIONS.items()
    }


def _section(session: Session, statement: Select[Any], limit: int) -> Section:
    bounded = statement.order_by(None).limit(MOST_COUNTED).subquery()
    counted = select(func.count()).select_from(bounded).scalar_subquery().label("of_all")
    rows = session.execute(statement.add_columns(counted).limit(limit)).all()
    return Section(rows[0].of_all if rows else 0, rows)
