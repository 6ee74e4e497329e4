"""What can be done with opportunities."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session
from sqlalchemy.orm.attributes import set_committed_value

from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.context import current_origin
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales.currencies.queries import rate_book
from crm_sales.days import moment_on
from crm_sales.lost_reasons import queries as lost_reasons
from crm_sales.opportunities import competition, events, forecast, moves
from crm_sales.opportunities.models import Opportunity, StageChange, StageEntry
from crm_sales.opportunities.valuation import priced, revalued, valued
from crm_sales.pipelines import queries as pipelines
from crm_sales.pipelines.models import Stage
from crm_sales.products.models import Product
from crm_sales.references import require_known

WRITE = "sales.opportunities.write"


def open_opportunity(
    session: Session, principal: Principal, values: dict[str, Any], today: date
) -> Opportunity:
    """Open a deal, by default today and in the first stage of the default pipeline.

    :raises Problem: 422 for what is not there, and for a later stage that requires what the deal
        does not have.
    """
    require_known(session, values)
    pipeline = _pipeline_to_open_in(session, values.pop("pipeline", None))
    key = values.pop("stage", None)
    stage = _opening_stage(session, pipeline, key)
    opportunity = _open(session, {"opened_on": today} | values, stage, today, utc_now())
    if key is not None and stage != pipelines.first_stage(session, "open", pipeline):
        opportunity.require_fields(stage)
    assign(session, opportunity, values.get("owner_id", default_owner(principal)), WRITE)
    moves.opened(session, opportunity)
    return opportunity


def open_from_lead(session: Session, values: dict[str, Any]) -> Opportunity:
    """Open the deal that a lead becomes, for the lead's owner."""
    stage = pipelines.first_stage(session, "open", _pipeline_to_open_in(session, None))
    opened_on = values["opened_on"]
    opportunity = _open(session, values, stage, opened_on, moment_on(session, opened_on))
    moves.opened(session, opportunity)
    return opportunity


def _pipeline_to_open_in(session: Session, key: str | None) -> str:
    if key is None:
        return pipelines.default_key(session)
    if not pipelines.is_active(session, key):
        raise invalid(("pipeline", "No such pipeline in use."))
    return key


def _opening_stage(session: Session, pipeline: str, key: str | None) -> Stage:
    if key is None:
        return pipelines.first_stage(session, "open", pipeline)
    stage = pipelines.stage_to_enter(session, pipeline, key)
    if stage.type != "open":
        raise invalid(("stage", "A deal is opened in an open stage."))
    return stage


def _open(
    session: Session, values: dict[str, Any], stage: Stage, today: date, since: datetime
) -> Opportunity:
    values = priced(values, _product(session, values))
    entered_on = values["opened_on"] or today
    book = rate_book(session, [(values["currency"], entered_on)])
    opportunity = build(session, valued(values, book, entered_on), stage, since)
    events.opportunity_opened(session, opportunity)
    return opportunity


def _product(session: Session, values: dict[str, Any]) -> Product | None:
    product_id = values.get("product_id")
    product = session.get(Product, product_id) if product_id else None
    if product_id and product is None:
        raise invalid(("product_id", "No such product."))
    return product


def build(session: Session, values: dict[str, Any], stage: Stage, since: datetime) -> Opportunity:
    """A new opportunity, in a stage since a moment.

    :param values: with its amount, its currency and the amount in the base currency.
    """
    opportunity = Opportunity(**{"id": new_id(), "quantity": 1} | values)
    for name in ("line_items", "competitors"):
        set_committed_value(opportunity, name, [])  # it has none yet, and nobody need ask
    opportunity.place(stage, since)
    session.add(opportunity)
    _log(session, opportunity, None)
    return opportunity


def change(
    session: Session, opportunity: Opportunity, changes: dict[str, Any], today: date
) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    :raises Problem: 422 for what is not there, or cannot be chosen; 403 for an owner out of reach.
    """
    require_known(session, changes)
    forecast.check_choice(opportunity, changes)
    changes = _revalued(session, opportunity, changes, today)
    with forecast.logged(session, opportunity):
        if "owner_id" in changes and changes["owner_id"] != opportunity.owner_id:
            assign(session, opportunity, changes["owner_id"], WRITE)
            change_fields(opportunity, changes)
        elif not change_fields(opportunity, changes):
            return False
    events.opportunity_changed(session, opportunity)
    return True


def _revalued(
    session: Session, opportunity: Opportunity, changes: dict[str, Any], today: date
) -> dict[str, Any]:
    def book_for(currency: str) -> Any:
        return rate_book(session, [(currency, today)])

    return revalued(opportunity, changes, book_for, today)


def advance(
    session: Session, opportunity: Opportunity, stage_key: str, pipeline: str | None = None
) -> None:
    """Move a deal to another open stage, of another pipeline if one is named.

    :raises Problem: 422 when the stage requires what the deal does not have.
    """
    if pipeline is not None and pipeline != opportunity.pipeline:
        _pipeline_to_open_in(session, pipeline)
    stage = pipelines.stage_to_enter(session, pipeline or opportunity.pipeline, stage_key)
    with forecast.logged(session, opportunity):
        move(session, opportunity, stage)


def move(session: Session, opportunity: Opportunity, stage: Stage) -> None:
    """Move a deal to an open stage that nobody changes meanwhile."""
    _moved(session, opportunity, opportunity.advance(stage))


def win(
    session: Session, opportunity: Opportunity, on: date, amount: Decimal | None, today: date
) -> None:
    """Close a deal as won, at its final amount if one is given."""
    stage = pipelines.first_stage(session, "won", opportunity.pipeline)
    with forecast.logged(session, opportunity):
        if amount is not None and opportunity.is_open:
            changes = _revalued(session, opportunity, {"amount": amount}, today)
            change_fields(opportunity, changes)
        won = opportunity.win(stage, on, moment_on(session, on))
        _moved(session, opportunity, won)


def lose(
    session: Session,
    opportunity: Opportunity,
    on: date,
    reason: str,
    competitor_id: str | None = None,
) -> None:
    """Close a deal as lost, to a competitor if one is named.

    :param reason: one of the managed reasons, or free text.
    """
    if competitor_id is not None:
        competition.meet(session, opportunity, competitor_id)
    stage = pipelines.first_stage(session, "lost", opportunity.pipeline)
    reason = lost_reasons.spelling(session, reason)
    with forecast.logged(session, opportunity):
        moment = moment_on(session, on)
        lost = opportunity.lose(stage, on, moment, reason, competitor_id)
        _moved(session, opportunity, lost)


def reopen(session: Session, opportunity: Opportunity, stage_key: str | None) -> None:
    """Take up a closed deal again."""
    if stage_key is None:
        stage = pipelines.first_stage(session, "open", opportunity.pipeline)
    else:
        stage = pipelines.stage_to_enter(session, opportunity.pipeline, stage_key)
    with forecast.logged(session, opportunity):
        _moved(session, opportunity, opportunity.reopen(stage))


def _moved(session: Session, opportunity: Opportunity, change: StageChange) -> None:
    _log(session, opportunity, change)
    events.opportunity_moved(session, opportunity, change)


def _log(session: Session, opportunity: Opportunity, change: StageChange | None) -> None:
    origin = current_origin()
    # A new deal is to be stored before its line; an old one may be stored by other means.
    about = {"opportunity_id": opportunity.id} if change else {"opportunity": opportunity}
    session.add(
        StageEntry(
            **about,
            pipeline=opportunity.pipeline,
            from_stage=change.from_stage if change else None,
            to_stage=opportunity.stage,
            seconds=change.seconds if change else None,
            entered_at=utc_now(),
            actor=origin.actor if origin else "sales",
        )
    )
