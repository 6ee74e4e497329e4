"""What is told of tags and their rules: one builder an event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy.orm import Session

from crm_chassis.outbox import record
from crm_customer.tags.models import Tag, TagRule


@dataclass(frozen=True, slots=True)
class _Gone:
    """What was deleted; that it was is its last version."""

    id: str
    version: int

    @classmethod
    def of(cls, entity: Tag | TagRule) -> Self:
        return cls(entity.id, entity.version + 1)


def tag_state(tag: Tag) -> dict[str, Any]:
    return {
        "id": tag.id,
        "key": tag.key,
        "category": tag.category,
        "label": tag.label,
        "colour": tag.colour,
    }


def tag_told(session: Session, tag: Tag, verb: str) -> None:
    """:param verb: ``created`` or ``changed``."""
    record(session, f"crm.customer.tag.{verb}.v1", tag, tag_state)


def tag_deleted(session: Session, tag: Tag) -> None:
    state = tag_state(tag)
    record(session, "crm.customer.tag.deleted.v1", _Gone.of(tag), lambda _: state)


def rule_state(rule: TagRule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "kind": rule.kind,
        "tag": rule.tag,
        "match": rule.match,
        "conditions": rule.conditions,
        "position": rule.position,
        "active": rule.active,
    }


def rule_told(session: Session, rule: TagRule, verb: str) -> None:
    """:param verb: ``created`` or ``changed``."""
    record(session, f"crm.customer.tag_rule.{verb}.v1", rule, rule_state)


def rule_deleted(session: Session, rule: TagRule) -> None:
    state = rule_state(rule)
    record(session, "crm.customer.tag_rule.deleted.v1", _Gone.of(rule), lambda _: state)
