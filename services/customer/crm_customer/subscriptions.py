"""What customer reacts to: every event that the catalogue lets it have."""

from __future__ import annotations

from crm_chassis import directory
from crm_chassis.events import is_voiding
from crm_chassis.processor import Subscriptions
from crm_contracts import catalogue
from crm_customer.reactions import on_events


def subscriptions() -> Subscriptions:
    """Event type to handler: one for all types, so that it sees the whole of a batch at once.

    Users and teams are kept by the chassis's directory.
    """
    return {
        contract.type: on_events
        for contract in catalogue().consumed_by("customer")
        if contract.type not in directory.SUBSCRIPTIONS and not is_voiding(contract.type)
    }
