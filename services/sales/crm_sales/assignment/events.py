"""What is told of assignment rules."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_sales.assignment.models import AssignmentRule


def rule_state(rule: AssignmentRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "position": rule.position,
        "active": rule.active,
        "sources": rule.sources,
        "regions": rule.regions,
        "industries": rule.industries,
        "campaign_ids": rule.campaign_ids,
        "score_from": rule.score_from,
        "score_to": rule.score_to,
        "strategy": rule.strategy,
        "members": sorted(rule.users),
    }


def rule_created(session: Session, rule: AssignmentRule) -> None:
    record(session, "crm.sales.assignment_rule.created.v1", rule, rule_state)


def rule_changed(session: Session, rule: AssignmentRule) -> None:
    record(session, "crm.sales.assignment_rule.changed.v1", rule, rule_state)
