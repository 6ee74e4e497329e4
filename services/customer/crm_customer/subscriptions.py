"""What customer reacts to: every event that the catalogue lets it have."""

from __future__ import annotations

from crm_chassis import directory
from crm_chassis.processor import Subscriptions
from crm_contracts import catalogue
from crm_customer.reactions import Reactions


def subscriptions(reactions: Reactions) -> Subscriptions:
    """Event type to handler: one for all types, so that it sees the whole of a batch at once.

    Users and teams are kept by the chassis's directory.
    """
    return {
        contract.type: reactions.on_events
        for contract in catalogue().consumed_by("customer")
        if contract.type not in directory.SUBSCRIPTIONS
    }
