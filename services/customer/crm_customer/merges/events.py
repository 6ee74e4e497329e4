"""What is told of merges: one builder an event, called in the transaction of the change."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_customer.merges.models import Merge


def merge_state(merge: Merge) -> dict[str, Any]:
    return {
        "id": merge.id,
        "kind": merge.kind,
        "survivor_id": merge.survivor_id,
        "merged_id": merge.merged_id,
        "status": merge.status,
    }


def merge_done(session: Session, merge: Merge) -> None:
    record(session, "crm.customer.merge.done.v1", merge, merge_state)


def merge_undone(session: Session, merge: Merge) -> None:
    record(session, "crm.customer.merge.undone.v1", merge, merge_state)
