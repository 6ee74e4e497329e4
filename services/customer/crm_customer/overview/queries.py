"""All that is known of one customer, each part by an index and none longer than it may be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Select, Table, case, func, nulls_last, select, union
from sqlalchemy.orm import Session

from crm_chassis.aggregate import visible_one
from crm_chassis.database import Money
from crm_customer.accounts.models import Account
from crm_customer.behaviour.queries import Behaviour, behaviour_of
from crm_customer.contacts.models import Contact
from crm_customer.interactions.models import Interaction
from crm_customer.kinds import Kind
from crm_customer.lifecycle.queries import Standing, standing
from crm_customer.overview import rights
from crm_customer.overview.rights import may_see, seen
from crm_customer.replicas import TOUCHING, campaigns, deals, orders, tasks, tickets

SHOWN = 10
"""Rows of what a part has many of; the lists of the services that it comes from have the rest."""

_SETTLED = ("resolved", "closed")
_SAID = (
    Interaction.id,
    Interaction.kind,
    Interaction.direction,
    Interaction.channel,
    Interaction.occurred_at,
    Interaction.seconds,
    Interaction.subject,
    Interaction.outcome,
    Interaction.owner_id,
)
"""Of an interaction; not its text, which may be long."""


@dataclass(frozen=True, slots=True)
class NextAction:
    """What is to be done with a customer next.

    :ivar kind: a task, or the next step of an open deal, which ``ref`` names.
    """

    kind: str
    ref: str
    title: str | None
    due_on: date | None
    due_at: datetime | None
    priority: str | None
    owner_id: str | None


class Overview:
    """A customer as the current principal may see it.

    Each part is read when it is asked for; one that the principal has no right to is None.
    """

    def __init__(self, session: Session, kind: Kind, customer: Account | Contact) -> None:
        self.session = session
        self.kind = kind
        self.customer = customer

    @property
    def lifecycle(self) -> Standing:
        return standing(self.session, self.customer.id)

    @property
    def behaviour(self) -> Behaviour | None:
        if not may_see(rights.BEHAVIOUR):
            return None
        visits = self._interactions_by_kind.get("visit", 0)
        return behaviour_of(self.session, self.customer.id, visits)

    @property
    def orders(self) -> dict[str, Any] | None:
        if not may_see(rights.ORDERS):
            return None
        newest = (orders.c.placed_on.desc(), orders.c.id.desc())
        counted = orders.c.status != "cancelled"
        spent = func.sum(orders.c.total - orders.c.returned_amount, type_=Money)
        totals = self._seen(
            rights.ORDERS,
            orders,
            orders.c.currency,
            func.count().label("orders"),
            spent.label("spend"),
        )
        return {
            "recent": self._rows(self._seen(rights.ORDERS, orders).order_by(*newest).limit(SHOWN)),
            "totals": self._rows(totals.where(counted).group_by(orders.c.currency)),
        }

    @property
    def deals(self) -> dict[str, Any] | None:
        if not may_see(rights.DEALS):
            return None
        mine = self._seen(rights.DEALS, deals)
        by_close = nulls_last(deals.c.expected_close_on), deals.c.id
        newest = deals.c.closed_on.desc(), deals.c.id.desc()
        key = deals.c.stage_type, deals.c.currency
        sums = func.count().label("deals"), func.sum(deals.c.amount, type_=Money).label("amount")
        totals = self._seen(rights.DEALS, deals, *key, *sums).group_by(*key)
        return {
            "open": self._rows(
                mine.where(deals.c.closed_on.is_(None)).order_by(*by_close).limit(SHOWN)
            ),
            "past": self._rows(
                mine.where(deals.c.closed_on.is_not(None)).order_by(*newest).limit(SHOWN)
            ),
            "totals": self._rows(totals.order_by(*key)),
        }

    @property
    def tickets(self) -> dict[str, Any] | None:
        if not may_see(rights.TICKETS):
            return None
        newest = tickets.c.opened_on.desc(), tickets.c.id.desc()
        mine = self._seen(rights.TICKETS, tickets).order_by(*newest)
        settled = tickets.c.status.in_(_SETTLED)
        still_open = func.sum(case((settled, 0), else_=1)).label("open")
        totals = self._seen(
            rights.TICKETS, tickets, tickets.c.type, func.count().label("tickets"), still_open
        )
        return {
            "open": self._rows(mine.where(~settled).limit(SHOWN)),
            "past": self._rows(mine.where(settled).limit(SHOWN)),
            "totals": self._rows(totals.group_by(tickets.c.type).order_by(tickets.c.type)),
        }

    @property
    def campaigns(self) -> list[Any] | None:
        if not may_see(rights.CAMPAIGNS):
            return None
        touched = union(
            *(
                self._of(select(table.c.campaign_id), table).where(table.c.campaign_id.is_not(None))
                for table in TOUCHING
            )
        )
        newest = nulls_last(campaigns.c.starts_on.desc()), campaigns.c.id
        return self._rows(
            select(campaigns)
            .where(campaigns.c.id.in_(touched), seen(rights.CAMPAIGNS, campaigns.c))
            .order_by(*newest)
            .limit(SHOWN)
        )

    @property
    def interactions(self) -> dict[str, Any] | None:
        if not may_see(rights.INTERACTIONS):
            return None
        newest = Interaction.occurred_at.desc(), Interaction.id.desc()
        recent = self._of(select(*_SAID), Interaction).order_by(*newest).limit(SHOWN)
        counts = self._interactions_by_kind
        return {
            "recent": self._rows(recent),
            "totals": [{"kind": kind, "interactions": counts[kind]} for kind in sorted(counts)],
        }

    @cached_property
    def _interactions_by_kind(self) -> dict[str, int]:
        counts = self._of(select(Interaction.kind, func.count()), Interaction)
        return dict(self.session.execute(counts.group_by(Interaction.kind)).tuples().all())

    @property
    def next_actions(self) -> list[NextAction] | None:
        """Open tasks and the next steps of open deals, by the day on which they are due."""
        if not (may_see(rights.TASKS) or may_see(rights.DEALS)):
            return None
        actions = [*self._tasks(), *self._next_steps()]
        return sorted(actions, key=lambda action: (action.due_on or date.max, action.ref))

    def _tasks(self) -> list[NextAction]:
        if not may_see(rights.TASKS):
            return []
        by_due = nulls_last(tasks.c.due_on), tasks.c.id
        found = self._seen(rights.TASKS, tasks).where(tasks.c.status == "open").order_by(*by_due)
        return [
            NextAction(
                "task",
                row["id"],
                row["title"],
                row["due_on"],
                row["due_at"],
                row["priority"],
                row["owner_id"],
            )
            for row in self._rows(found.limit(SHOWN))
        ]

    def _next_steps(self) -> list[NextAction]:
        if not may_see(rights.DEALS):
            return []
        pending = deals.c.closed_on.is_(None), deals.c.next_step.is_not(None)
        by_due = nulls_last(deals.c.next_step_on), deals.c.id
        found = self._seen(rights.DEALS, deals).where(*pending).order_by(*by_due).limit(SHOWN)
        return [
            NextAction(
                "next_step",
                row["id"],
                row["next_step"],
                row["next_step_on"],
                None,
                None,
                row["owner_id"],
            )
            for row in self._rows(found)
        ]

    def _seen(self, permission: str, table: Table, *columns: ColumnElement[Any]) -> Select[Any]:
        """The columns, or all, of the customer's rows that the principal may see."""
        statement = select(*columns) if columns else select(table)
        return self._of(statement, table).where(seen(permission, table.c))

    def _of(self, statement: Select[Any], rows: Any) -> Select[Any]:
        """What is selected of the customer's rows of a table or model."""
        columns = rows.c if isinstance(rows, Table) else rows
        return statement.where(getattr(columns, self.kind.key) == self.customer.id)

    def _rows(self, statement: Select[Any]) -> list[Any]:
        """The rows as mappings, of which an answer is made in half the time."""
        return list(self.session.execute(statement).mappings())


def overview(session: Session, kind: Kind, customer_id: object) -> Overview:
    """:raises Problem: 404 when the current principal sees no such customer."""
    return Overview(session, kind, visible_one(session, kind.model, customer_id, kind.read))
