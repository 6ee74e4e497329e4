"""What reporting reacts to: every event that the catalogue lets it have."""

from __future__ import annotations

from crm_chassis import directory
from crm_chassis.events import is_voiding
from crm_chassis.processor import Subscriptions
from crm_contracts import catalogue
from crm_reporting.projections.fold import Projection


def subscriptions(projection: Projection) -> Subscriptions:
    """Event type to handler: one for all types, so that it sees the whole of a batch at once.

    Users and teams are kept by the chassis's directory.
    """
    return {
        contract.type: projection.on_events
        for contract in catalogue().consumed_by("reporting")
        if contract.type not in directory.SUBSCRIPTIONS and not is_voiding(contract.type)
    }
