"""One change of many deals: in one transaction, with as many queries for one as for a thousand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields
from crm_chassis.auth import visible
from crm_chassis.database import utc_now
from crm_chassis.problems import Problem, invalid, not_found
from crm_chassis.web import stale
from crm_sales.opportunities import commands, events, forecast
from crm_sales.opportunities.models import Opportunity
from crm_sales.pipelines import queries as pipelines
from crm_sales.pipelines.models import Stage

_COLUMNS = (
    "version",
    "updated_at",
    "owner_id",
    "team_id",
    "pipeline",
    "stage",
    "stage_order",
    "stage_type",
    "stage_since",
    "probability",
)
"""What a bulk change may change."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one deal.

    :ivar version: that it has now; None when it was refused.
    :ivar refusal: why it was left as it is: ``status``, ``detail`` and the ``errors`` of fields.
    """

    id: str
    outcome: Literal["changed", "unchanged", "refused"]
    deal: Opportunity | None = None
    refusal: Mapping[str, Any] | None = None

    @classmethod
    def of(cls, id_: str, problem: Problem) -> Outcome:
        errors = [{"field": field, "detail": detail} for field, detail in problem.errors]
        why = {"status": problem.status, "detail": problem.detail, "errors": errors}
        return cls(id_, "refused", refusal=why)

    @property
    def version(self) -> int | None:
        return self.deal.version if self.deal else None


class _Recipient:
    """Stands for every deal that is given to somebody, so that the right is looked up once."""

    owner_id: str | None = None
    team_id: str | None = None


def change_many(
    session: Session, items: Sequence[Mapping[str, Any]], changes: Mapping[str, Any]
) -> list[Outcome]:
    """Give deals to an owner, move them to a stage, or both.

    Each deal is changed wholly or refused wholly, and the others go on without it.

    :param items: the ``id`` of each deal and, if the client has seen one, its ``version``.
    :param changes: ``owner_id`` and ``stage``; a stage is that of each deal's own pipeline.
    :returns: what became of each, in the order asked for.
    :raises Problem: 403 or 422 for an owner to whom nothing can be given.
    """
    recipient = _recipient(session, changes)
    deals = _locked(session, [item["id"] for item in items])
    stages = _stages(session, deals, changes)
    outcomes = []
    for item in items:
        try:
            outcomes.append(_change(session, deals.get(item["id"]), item, recipient, stages))
        except Problem as problem:
            outcomes.append(Outcome.of(item["id"], problem))
    _store(session, [each.deal for each in outcomes if each.deal and each.outcome == "changed"])
    return outcomes


def _store(session: Session, deals: Sequence[Opportunity]) -> None:
    """Write the changes with one statement; the session would send one for each versioned row.

    The rows are locked, so that there is no version to check. The session lets go of the deals:
    they are only told of yet.
    """
    for deal in deals:
        session.expunge(deal)
        deal.version += 1
        deal.updated_at = utc_now()
    if not deals:
        return
    table = Opportunity.__table__
    rows = [{name: getattr(deal, name) for name in ("id", *_COLUMNS)} for deal in deals]
    session.connection().execute(
        update(table)
        .where(table.c.id == bindparam("of_id"))
        .values({name: bindparam(name) for name in _COLUMNS}),
        [{"of_id": row.pop("id"), **row} for row in rows],
    )


def _recipient(session: Session, changes: Mapping[str, Any]) -> dict[str, str | None]:
    if "owner_id" not in changes:
        return {}
    recipient: Any = _Recipient()
    assign(session, recipient, changes["owner_id"], commands.WRITE)
    return {"owner_id": recipient.owner_id, "team_id": recipient.team_id}


def _locked(session: Session, ids: Sequence[str]) -> dict[str, Opportunity]:
    """The deals that may be changed, by id; locked in one order, so that two calls never cross."""
    statement = visible(
        select(Opportunity).where(Opportunity.id.in_(ids)), Opportunity, commands.WRITE
    )
    found = session.scalars(statement.order_by(Opportunity.id).with_for_update())
    return {deal.id: deal for deal in found}


def _stages(
    session: Session, deals: Mapping[str, Opportunity], changes: Mapping[str, Any]
) -> Mapping[str, Stage] | None:
    if "stage" not in changes:
        return None
    keys = {deal.pipeline for deal in deals.values()}
    return pipelines.stages_to_enter(session, keys, changes["stage"])


def _change(
    session: Session,
    deal: Opportunity | None,
    item: Mapping[str, Any],
    recipient: Mapping[str, str | None],
    stages: Mapping[str, Stage] | None,
) -> Outcome:
    if deal is None:
        raise not_found("opportunity")
    if item.get("version", deal.version) != deal.version:
        raise stale()
    with forecast.logged(session, deal):
        moved = stages is not None and _move(session, deal, stages)
        given = change_fields(deal, dict(recipient))
    if given and not moved:
        events.opportunity_changed(session, deal)
    return Outcome(deal.id, "changed" if moved or given else "unchanged", deal)


def _move(session: Session, deal: Opportunity, stages: Mapping[str, Stage]) -> bool:
    stage = stages.get(deal.pipeline)
    if stage is None:
        raise invalid(("stage", f"The pipeline {deal.pipeline} has no such stage in use."))
    if stage.key == deal.stage:
        return False
    commands.move(session, deal, stage)
    return True
