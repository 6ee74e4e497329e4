"""What can be done with assignment rules."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from crm_chassis import directory
from crm_chassis.aggregate import change_fields
from crm_chassis.database import new_id
from crm_chassis.problems import invalid
from crm_sales.assignment import events
from crm_sales.assignment.models import AssignmentRule, AssignmentTurn
from crm_sales.leads.models import OPEN_STATUSES, Lead


def create(session: Session, values: dict[str, Any]) -> AssignmentRule:
    """Add a rule.

    :raises Problem: 422 for users nobody has told of, or a strategy without somebody to choose.
    """
    rule = AssignmentRule(id=new_id(), **values)
    _check(session, rule)
    session.add(rule)
    session.flush()
    session.add(AssignmentTurn(rule_id=rule.id))
    events.rule_created(session, rule)
    return rule


def change(session: Session, rule: AssignmentRule, changes: dict[str, Any]) -> None:
    """Change the given fields; nothing is told when they were so already.

    :raises Problem: 422 as for a new rule.
    """
    if change_fields(rule, changes):
        _check(session, rule)
        events.rule_changed(session, rule)


def _check(session: Session, rule: AssignmentRule) -> None:
    wanted = "region_members" if rule.strategy == "region" else "members"
    if not getattr(rule, wanted):
        raise invalid((wanted, f"The strategy {rule.strategy} needs somebody to choose."))
    if None not in (rule.score_from, rule.score_to) and rule.score_from > rule.score_to:
        raise invalid(("score_to", "Less than score_from."))
    users = directory.users.c
    known = set(session.scalars(select(users.id).where(users.id.in_(rule.users))))
    if unknown := rule.users - known:
        raise invalid((wanted, f"No such user: {', '.join(sorted(unknown))}."))


def assign_by_rules(session: Session, leads: Sequence[Lead]) -> list[Lead]:
    """Give each lead to somebody of the first rule it meets that has somebody to give it to.

    A lead that meets rules none of which has anybody active belongs to nobody. Rules that take
    turns are locked until the transaction ends, so that every lead counts, whoever else takes
    leads in at the same time.

    :returns: the leads that meet no rule; they are as they were.
    """
    rules = session.scalars(
        select(AssignmentRule)
        .where(AssignmentRule.active)
        .order_by(AssignmentRule.position, AssignmentRule.id)
    ).all()
    met = [(lead, [rule for rule in rules if rule.matches(lead)]) for lead in leads]
    choice = _Choice(session, {rule for _, matching in met for rule in matching})
    for lead, matching in met:
        if matching:
            choice.give(lead, matching)
    choice.keep_turns()
    return [lead for lead, matching in met if not matching]


class _Choice:
    """The choosing for the leads of one transaction."""

    def __init__(self, session: Session, rules: set[AssignmentRule]) -> None:
        self._session = session
        users = {user for rule in rules for user in rule.users}
        self._teams = directory.active_users(session, users)
        self._taken = _locked_turns(session, rules)
        self._taken_before = dict(self._taken)
        by_load = {user for rule in rules if rule.strategy == "load" for user in rule.members}
        self._load = _open_leads(session, by_load)

    def give(self, lead: Lead, rules: Iterable[AssignmentRule]) -> None:
        chosen = (self._chosen(rule, lead) for rule in rules)
        lead.owner_id = next((user for user in chosen if user), None)
        lead.team_id = self._teams[lead.owner_id] if lead.owner_id else None
        if lead.owner_id in self._load:
            self._load[lead.owner_id] += 1

    def _chosen(self, rule: AssignmentRule, lead: Lead) -> str | None:
        if rule.strategy == "region":
            user = rule.user_of_region(lead.region)
            return user if user in self._teams else None
        eligible = [user for user in rule.members if user in self._teams]
        if not eligible:
            return None
        turn = self._taken[rule.id]
        self._taken[rule.id] += 1
        if rule.strategy == "load":
            return min(eligible, key=lambda user: self._load[user])
        return eligible[turn % len(eligible)]

    def keep_turns(self) -> None:
        rows = [
            {"rule_id": rule_id, "taken": taken}
            for rule_id, taken in self._taken.items()
            if taken != self._taken_before[rule_id]
        ]
        if rows:
            self._session.execute(update(AssignmentTurn), rows)


def _locked_turns(session: Session, rules: set[AssignmentRule]) -> dict[str, int]:
    """The turns of the rules that take them, locked in one order so that nobody deadlocks."""
    taking = [rule.id for rule in rules if rule.strategy != "region"]
    if not taking:
        return {}
    rows = session.execute(
        select(AssignmentTurn.rule_id, AssignmentTurn.taken)
        .where(AssignmentTurn.rule_id.in_(taking))
        .order_by(AssignmentTurn.rule_id)
        .with_for_update()
    )
    return dict(rows.tuples().all())


def _open_leads(session: Session, users: set[str]) -> dict[str, int]:
    """How many leads each user works on."""
    if not users:
        return {}
    rows = session.execute(
        select(Lead.owner_id, func.count())
        .where(Lead.owner_id.in_(users), Lead.status.in_(OPEN_STATUSES))
        .group_by(Lead.owner_id)
    )
    return dict.fromkeys(users, 0) | dict(rows.tuples().all())
