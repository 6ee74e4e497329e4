"""What sales keeps follows its customers: accounts and contacts that are merged, and parted again.

A new aggregate that holds keys of customers names its columns here, and nothing else is needed.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from crm_chassis.merged_keys import MergedKeys, Reference
from crm_sales.activities.events import activity_changed
from crm_sales.activities.models import Activity
from crm_sales.comments.events import comment_changed
from crm_sales.comments.models import Comment, Mention
from crm_sales.contracts.events import contract_told
from crm_sales.contracts.models import Contract
from crm_sales.invoices.events import invoice_changed
from crm_sales.invoices.models import Invoice
from crm_sales.leads.events import lead_changed
from crm_sales.leads.models import Lead
from crm_sales.opportunities.events import opportunity_changed
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders.events import order_told
from crm_sales.orders.models import Order
from crm_sales.quotes.events import quote_told
from crm_sales.quotes.models import Quote
from crm_sales.receipts.events import receipt_changed
from crm_sales.receipts.models import Receipt
from crm_sales.receivables.events import receivable_changed
from crm_sales.receivables.models import Receivable
from crm_sales.requests.events import request_changed
from crm_sales.requests.models import CustomerRequest
from crm_sales.tasks.events import task_changed
from crm_sales.tasks.models import Task

_OF_CUSTOMERS: dict[type[Any], Any] = {
    Lead: lead_changed,
    Opportunity: opportunity_changed,
    Quote: partial(quote_told, verb="changed"),
    Contract: partial(contract_told, verb="changed"),
    Order: partial(order_told, verb="changed"),
    Invoice: invoice_changed,
    Receivable: receivable_changed,
    Receipt: receipt_changed,
    Task: task_changed,
    Activity: activity_changed,
    CustomerRequest: request_changed,
}
"""What has an ``account_id`` and a ``contact_id``, with what tells of a change."""

_ABOUT = [
    Reference(Task.related_id, task_changed),
    Reference(Activity.related_id, activity_changed),
    Reference(Comment.related_id, comment_changed),
    Reference(Mention.related_id),
]
"""What is about a thing, which may be a customer."""

MERGED_KEYS = MergedKeys(
    {
        "account": [
            *(Reference(model.account_id, changed) for model, changed in _OF_CUSTOMERS.items()),
            *_ABOUT,
        ],
        "contact": [
            *(Reference(model.contact_id, changed) for model, changed in _OF_CUSTOMERS.items()),
            *_ABOUT,
        ],
    }
)
