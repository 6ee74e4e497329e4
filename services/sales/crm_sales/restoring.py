"""What sales does about a restore: its own, or that of a service whose events it keeps."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from sqlalchemy.orm import Session

from crm_chassis.events import Voided
from crm_chassis.numbering import Numbering
from crm_chassis.operations.reconcile import Retelling, Retold
from crm_chassis.replicas import forget_gone
from crm_sales.activities.events import activity_changed
from crm_sales.activities.models import Activity
from crm_sales.contracts.models import ContractNumber
from crm_sales.invoices.models import InvoiceNumber
from crm_sales.leads.events import lead_changed
from crm_sales.leads.models import Lead
from crm_sales.merges import MERGED_KEYS
from crm_sales.opportunities.events import opportunity_changed
from crm_sales.opportunities.models import Opportunity
from crm_sales.orders.events import order_told
from crm_sales.orders.models import Order, OrderNumber
from crm_sales.quotes.models import QuoteNumber
from crm_sales.receivables.events import receivable_changed
from crm_sales.receivables.models import Receivable
from crm_sales.replicas import accounts, campaigns, contacts
from crm_sales.tasks.events import task_changed
from crm_sales.tasks.models import Task

RETELLING: Retelling = {
    "lead": Retold(Lead, lead_changed),
    "opportunity": Retold(Opportunity, opportunity_changed),
    "task": Retold(Task, task_changed),
    "activity": Retold(Activity, activity_changed),
    "order": Retold(Order, partial(order_told, verb="changed")),
    "receivable": Retold(Receivable, receivable_changed),
}

NUMBERING: Numbering = {
    "SO": OrderNumber,
    "INV": InvoiceNumber,
    "QU": QuoteNumber,
    "CT": ContractNumber,
}


def on_voided(session: Session, voided: Sequence[Voided]) -> None:
    """Forget customers and campaigns that are gone, and merges that never were."""
    forget_gone(session, voided, accounts, contacts, campaigns)
    MERGED_KEYS.forget(session, voided)
