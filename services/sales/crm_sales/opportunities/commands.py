"""What can be done with opportunities."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy.orm import Session

from crm_chassis.aggregate import assign, change_fields, default_owner
from crm_chassis.auth import Principal
from crm_chassis.context import current_origin
from crm_chassis.database import new_id, utc_now
from crm_chassis.problems import invalid
from crm_sales import events
from crm_sales.days import moment_on
from crm_sales.opportunities import queries
from crm_sales.opportunities.models import Opportunity, Stage, StageChange, StageEntry
from crm_sales.products.models import Product

WRITE = "sales.opportunities.write"


def open_opportunity(
    session: Session, principal: Principal, values: dict[str, Any], today: date
) -> Opportunity:
    """Open a deal, by default today and in the pipeline's first stage."""
    stage = _opening_stage(session, values.pop("stage", None))
    values = {"opened_on": today} | values
    opportunity = build(session, values, stage, _product(session, values))
    assign(session, opportunity, values.get("owner_id", default_owner(principal)), WRITE)
    events.opportunity_opened(session, opportunity)
    return opportunity


def open_from_lead(session: Session, values: dict[str, Any]) -> Opportunity:
    """Open the deal that a lead becomes, for the lead's owner."""
    stage = queries.first_stage(session, "open")
    opportunity = build(session, values, stage, _product(session, values))
    opportunity.stage_since = moment_on(values["opened_on"])
    events.opportunity_opened(session, opportunity)
    return opportunity


def _opening_stage(session: Session, key: str | None) -> Stage:
    if key is None:
        return queries.first_stage(session, "open")
    stage = queries.stage(session, key)
    if stage.type != "open":
        raise invalid(("stage", "A deal is opened in an open stage."))
    return stage


def _product(session: Session, values: dict[str, Any]) -> Product | None:
    product_id = values.get("product_id")
    product = session.get(Product, product_id) if product_id else None
    if product_id and product is None:
        raise invalid(("product_id", "No such product."))
    return product


def build(
    session: Session, values: dict[str, Any], stage: Stage, product: Product | None
) -> Opportunity:
    """A new opportunity in a stage, valued from its product where no amount is given."""
    opportunity = Opportunity(**{"id": new_id(), "quantity": 1} | _priced(values, product))
    opportunity.place(stage)
    session.add(opportunity)
    _log(session, opportunity, None)
    return opportunity


def _priced(values: dict[str, Any], product: Product | None) -> dict[str, Any]:
    """The values with an amount and a currency, taken from the product where they are missing.

    :raises Problem: 422 when neither the values nor a product say them.
    """
    missing = [name for name in ("amount", "currency") if name not in values]
    if not missing:
        return values
    if product is None:
        raise invalid(*((name, "Needed without a product.") for name in missing))
    amount = product.list_price * Decimal(values.get("quantity", 1))
    return {"amount": amount, "currency": product.currency} | values


def change(session: Session, opportunity: Opportunity, changes: dict[str, Any]) -> bool:
    """Change the given fields; a new owner brings a new team.

    :returns: False when they were so already; then nothing is told.
    """
    if "owner_id" in changes and changes["owner_id"] != opportunity.owner_id:
        assign(session, opportunity, changes["owner_id"], WRITE)
        change_fields(opportunity, changes)
    elif not change_fields(opportunity, changes):
        return False
    events.opportunity_changed(session, opportunity)
    return True


def advance(session: Session, opportunity: Opportunity, stage_key: str) -> None:
    """Move a deal to another open stage."""
    stage = queries.stage(session, stage_key, opportunity.pipeline)
    _moved(session, opportunity, opportunity.advance(stage))


def win(session: Session, opportunity: Opportunity, on: date, amount: Decimal | None) -> None:
    """Close a deal as won."""
    stage = queries.first_stage(session, "won", opportunity.pipeline)
    _moved(session, opportunity, opportunity.win(stage, on, amount))


def lose(session: Session, opportunity: Opportunity, on: date, reason: str) -> None:
    """Close a deal as lost."""
    stage = queries.first_stage(session, "lost", opportunity.pipeline)
    _moved(session, opportunity, opportunity.lose(stage, on, reason))


def reopen(session: Session, opportunity: Opportunity, stage_key: str | None) -> None:
    """Take up a closed deal again."""
    if stage_key is None:
        stage = queries.first_stage(session, "open", opportunity.pipeline)
    else:
        stage = queries.stage(session, stage_key, opportunity.pipeline)
    _moved(session, opportunity, opportunity.reopen(stage))


def _moved(session: Session, opportunity: Opportunity, change: StageChange) -> None:
    _log(session, opportunity, change)
    events.opportunity_moved(session, opportunity, change)


def _log(session: Session, opportunity: Opportunity, change: StageChange | None) -> None:
    origin = current_origin()
    session.add(
        StageEntry(
            opportunity=opportunity,
            from_stage=change.from_stage if change else None,
            to_stage=opportunity.stage,
            seconds=change.seconds if change else None,
            entered_at=utc_now(),
            actor=origin.actor if origin else "sales",
        )
    )
