"""Tickets follow their customers: accounts and contacts that are merged, and parted again."""

from __future__ import annotations

from crm_chassis.merged_keys import MergedKeys, Reference
from crm_service_desk import events
from crm_service_desk.tickets.models import Ticket

MERGED_KEYS = MergedKeys(
    {
        "account": [Reference(Ticket.account_id, events.ticket_changed)],
        "contact": [Reference(Ticket.contact_id, events.ticket_changed)],
    }
)
