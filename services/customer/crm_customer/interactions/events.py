"""What is told of interactions: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.fields import instant_text
from crm_chassis.outbox import record
from crm_customer.interactions.models import Interaction


def interaction_state(interaction: Interaction) -> dict[str, Any]:
    """That it was, of what kind and with whom; of what was said only the subject."""
    return {
        "id": interaction.id,
        "external_id": interaction.external_id,
        "kind": interaction.kind,
        "direction": interaction.direction,
        "channel": interaction.channel,
        "account_id": interaction.account_id,
        "contact_id": interaction.contact_id,
        "occurred_at": instant_text(interaction.occurred_at),
        "occurred_on": interaction.occurred_on.isoformat(),
        "seconds": interaction.seconds,
        "subject": interaction.subject,
        "replied": interaction.replied_at is not None,
        "opened": interaction.opened_at is not None,
        "outcome": interaction.outcome,
        "attachments": interaction.attachments or 0,
        "owner_id": interaction.owner_id,
        "team_id": interaction.team_id,
    }


def interaction_recorded(session: Session, interaction: Interaction) -> None:
    record(session, "crm.customer.interaction.recorded.v1", interaction, interaction_state)


def interaction_changed(session: Session, interaction: Interaction) -> None:
    record(session, "crm.customer.interaction.changed.v1", interaction, interaction_state)
