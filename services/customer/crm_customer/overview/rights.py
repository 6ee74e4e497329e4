"""Which parts of the view of a customer who may see.

Each part needs a right of its own, beside that to the customer, because the rights of the service
that a part comes from are not known here. The scope of the right is held against whose the order,
deal, ticket, task or campaign is. Behaviour, which is figures of the customer as a whole, and
interactions are seen with the customer, by who has the right to them at all.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement

from crm_chassis.auth import current_principal, rows_in_scope

BEHAVIOUR = "customer.overview.behaviour"
ORDERS = "customer.overview.orders"
DEALS = "customer.overview.deals"
TICKETS = "customer.overview.tickets"
CAMPAIGNS = "customer.overview.campaigns"
TASKS = "customer.overview.tasks"
INTERACTIONS = "customer.interactions.read"

OF_KIND = {
    "order": ORDERS,
    "opportunity": DEALS,
    "lead": DEALS,
    "ticket": TICKETS,
    "task": TASKS,
    "interaction": INTERACTIONS,
}
"""The right to what happened, by kind; the life cycle is seen with the customer."""
LIFECYCLE, INTERACTION = "lifecycle", "interaction"
KINDS = (LIFECYCLE, *OF_KIND)
"""Kinds of what happened."""


def seen(permission: str, rows: Any) -> ColumnElement[bool]:
    """The condition on rows that the current principal may see with this right.

    :param rows: a model, or the columns of a table.
    """
    return rows_in_scope(current_principal(), permission, rows.owner_id, rows.team_id)


def may_see(permission: str) -> bool:
    """True when the current principal has this right, however far it reaches."""
    return current_principal().may(permission)
