"""The composition root: all that sales is made of."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from flask import Flask

from crm_chassis.service import Definition, create_service
from crm_chassis.settings import Settings
from crm_sales import __version__
from crm_sales.activities import api as activities
from crm_sales.assignment import api as assignment
from crm_sales.boards import api as boards
from crm_sales.comments import api as comments
from crm_sales.competitors import api as competitors
from crm_sales.contracts import api as contracts
from crm_sales.contracts import timers as contract_timers
from crm_sales.currencies import api as currencies
from crm_sales.discounts import api as discounts
from crm_sales.follow_ups import commands as follow_ups
from crm_sales.inbox import api as inbox
from crm_sales.invoices import api as invoices
from crm_sales.leads import api as leads
from crm_sales.leads import timers as lead_timers
from crm_sales.lost_reasons import api as lost_reasons
from crm_sales.opportunities import api as opportunities
from crm_sales.orders import api as orders
from crm_sales.orders import timers as order_timers
from crm_sales.pipelines import api as pipelines
from crm_sales.price_lists import api as price_lists
from crm_sales.products import api as products
from crm_sales.quotes import api as quotes
from crm_sales.quotes import timers as quote_timers
from crm_sales.receipts import api as receipts
from crm_sales.receivables import api as receivables
from crm_sales.receivables import timers as receivable_timers
from crm_sales.requests import api as requests
from crm_sales.restoring import NUMBERING, RETELLING, on_voided
from crm_sales.reviews import api as reviews
from crm_sales.subscriptions import SUBSCRIPTIONS
from crm_sales.tables import Tables
from crm_sales.targets import api as targets
from crm_sales.tasks import api as tasks
from crm_sales.tasks import timers as task_timers
from crm_sales.work_settings import api as work_settings

_FILED = (
    leads,
    opportunities,
    products,
    targets,
    competitors,
    currencies,
    price_lists,
    orders,
    receipts,
    contracts,
    requests,
)
"""What is imported and exported."""
_TOLD = (activities, tasks, invoices, receivables, quotes)
"""What is exported only."""
_RESOURCES = (
    *_FILED,
    *_TOLD,
    assignment,
    boards,
    comments,
    discounts,
    inbox,
    lost_reasons,
    pipelines,
    reviews,
    work_settings,
)

DEFINITION = Definition(
    name="sales",
    version=__version__,
    metadata=Tables.metadata,
    migrations=Path(__file__).parents[1] / "migrations",
    blueprints=[resource.blueprint for resource in _RESOURCES],
    subscriptions=SUBSCRIPTIONS,
    importers=[resource.IMPORTER for resource in _FILED],
    exports=[resource.EXPORT for resource in (*_FILED, *_TOLD)],
    attachments=[opportunities.ATTACHMENTS],
    timers={
        **lead_timers.TIMERS,
        **task_timers.TIMERS,
        **order_timers.TIMERS,
        **receivable_timers.TIMERS,
        **quote_timers.TIMERS,
        **contract_timers.TIMERS,
    },
    recurring=[follow_ups.RECURRING],
    retelling=RETELLING,
    numbering=NUMBERING,
    on_voided=on_voided,
)


def create_app(settings: Settings | None = None, **parts: Any) -> Flask:
    """The sales service; ``parts`` are those of :func:`crm_chassis.service.create_service`."""
    return create_service(DEFINITION, __name__, settings, **parts)
