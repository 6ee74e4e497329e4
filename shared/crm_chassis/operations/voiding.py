"""Events that are void: their producer was restored to a moment before it published them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import update
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.database import insert_into, utc_now
from crm_chassis.events import Event, Voided, is_voiding
from crm_chassis.inbox import inbox, parked_events
from crm_chassis.processor import Handler
from crm_chassis.replicas import forget_gone
from crm_contracts.catalogue import Catalogue

_KNOWN = ("id", "type", "subject", "sequence", "gone")

OnVoided = Callable[[Session, Sequence[Voided]], None]
"""Makes undone what a service did on events that are void, at most :data:`MOST_VOIDED` of them.

States that are right by the largest ``sequence`` need nothing: their producer tells of them anew.
Left are rows of aggregates that are gone, and facts by the event that told of them.
"""


class Voiding:
    """Handles the news that events are void, whether or not they have come yet.

    :param undo: what the service has to do beside forgetting the events.
    """

    def __init__(self, undo: OnVoided) -> None:
        self._undo = undo

    def subscriptions(self, catalogue: Catalogue, service: str) -> dict[str, Handler]:
        types = (contract.type for contract in catalogue.consumed_by(service))
        return {each: self.on_voided for each in types if is_voiding(each)}

    def on_voided(self, session: Session, events: Sequence[Event]) -> None:
        """Forget the events, and what only they made known."""
        for event in events:
            voided = [
                Voided(**{name: each[name] for name in _KNOWN}) for each in event.data["events"]
            ]
            _see(session, voided)
            _discard_parked(session, voided)
            forget_gone(session, voided, directory.teams, directory.users)
            self._undo(session, voided)


def _see(session: Session, voided: Sequence[Voided]) -> None:
    """Let those that are still on their way be taken for seen, and keep no body of the others."""
    now = utc_now()
    rows = [
        {
            "event_id": each.id,
            "received_at": now,
            "body": None,
            "type": each.type,
            "subject": each.subject,
            "sequence": each.sequence,
        }
        for each in sorted({each.id: each for each in voided}.values(), key=lambda each: each.id)
    ]
    statement = insert_into(session, inbox)
    kept = ("body", "type", "subject", "sequence")
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["event_id"], set_={name: statement.excluded[name] for name in kept}
        ),
        rows,
    )


def _discard_parked(session: Session, voided: Sequence[Voided]) -> None:
    columns = parked_events.c
    waiting = columns.event_id.in_({each.id for each in voided}) & (columns.state == "parked")
    session.execute(
        update(parked_events)
        .where(waiting)
        .values(
            state="discarded",
            settled_at=utc_now(),
            settled_by="producer",
            settled_because="its producer was restored to a moment before it",
        )
    )
