"""What service desk does about a restore: its own, or that of a service whose events it keeps."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.orm import Session

from crm_chassis.events import Voided
from crm_chassis.numbering import Numbering
from crm_chassis.operations.reconcile import Retelling, Retold
from crm_chassis.replicas import forget_gone
from crm_service_desk.events import ticket_changed
from crm_service_desk.merges import MERGED_KEYS
from crm_service_desk.replicas import accounts, contacts
from crm_service_desk.tickets.models import Ticket, TicketNumber

RETELLING: Retelling = {"ticket": Retold(Ticket, ticket_changed)}

NUMBERING: Numbering = {"T": TicketNumber}


def on_voided(session: Session, voided: Sequence[Voided]) -> None:
    """Forget customers that are gone, and merges that never were."""
    forget_gone(session, voided, accounts, contacts)
    MERGED_KEYS.forget(session, voided)
